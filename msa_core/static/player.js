// On the answer: off is off in the player, without vision its picture is covered, without audio it is muted (not the camera's).
{
  const off = modality => !!document.querySelector(`#mm-${modality} input:not(:checked):not(:disabled)`);
  const own = new WeakMap();  // player -> whether the visitor had muted it
  const obey = () => {
    const said = JSON.stringify(document.querySelector('.mm[data-unseen]')?.dataset.unseen ?? '');
    const clip = document.querySelector('#mm-clip'), video = clip?.querySelector('.mirror-wrap video');
    if (!video) return;
    document.documentElement.style.setProperty('--mm-unseen', said);
    clip.toggleAttribute('data-unseen', off('vision'));
    if (off('audio')) {
      if (!own.has(video)) own.set(video, video.muted);
      if (!video.muted) video.muted = true;
    } else if (own.has(video)) {
      video.muted = own.get(video);
      own.delete(video);
    }
  };
  const names = ['change', 'loadeddata', 'play', 'timeupdate', 'volumechange'];
  const heard = event => {
    if (!element.isConnected) return names.forEach(name => document.removeEventListener(name, heard, true));
    if (event.target.closest?.('#mm-clip, #mm-switches')) obey();
  };
  names.forEach(name => document.addEventListener(name, heard, true));
  // Switches that were set with an answer come without an event, and gradio may draw them after it.
  let waiting = [];
  new MutationObserver(() => {
    waiting.forEach(clearTimeout);
    waiting = [50, 400, 1500].map(ms => setTimeout(obey, ms));
  }).observe(element.closest('#mm-right') ?? element, {subtree: true, childList: true, characterData: true});
}
