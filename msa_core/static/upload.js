// Which files the upload box takes: the server sees what a clip is from its content, not from a name or a guessed type.
(() => {
  const BOX = '#mm-clip';
  const inside = event => event.target instanceof Element && event.target.closest(BOX);
  const handed = new WeakSet();
  // gradio refuses what the browser does not call a video: sound, and AVI or WMV on many computers
  const taken = files => {
    const transfer = new DataTransfer();
    for (const file of files) {
      transfer.items.add(file.type.startsWith('video/') ? file : new File([file], file.name, {type: 'video/mp4'}));
    }
    return transfer;
  };
  const is_input = event => inside(event) && event.target.matches('input[type=file]');
  addEventListener('click', event => { if (is_input(event)) event.target.accept = window.mmClips; }, true);
  addEventListener('change', event => {
    if (is_input(event)) event.target.files = taken(event.target.files).files;
  }, true);
  addEventListener('drop', event => {
    if (!inside(event) || handed.has(event) || !event.dataTransfer?.files.length) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const again = new DragEvent('drop', {bubbles: true, cancelable: true, dataTransfer: taken(event.dataTransfer.files)});
    handed.add(again);
    event.target.dispatchEvent(again);
  }, true);
  // what this browser cannot play is shown as a copy after it was read: no error before
  addEventListener('error', event => {
    if (event.target instanceof HTMLMediaElement && inside(event)) event.stopImmediatePropagation();
  }, true);
})();
