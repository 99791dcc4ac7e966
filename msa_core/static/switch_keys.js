// Keys 1 2 3 press the switches, while they are on show: not in a field, not with another key. The switches say so.
{
  const switches = () => ['text', 'audio', 'vision'].map(m => document.querySelector(`#mm-${m} input[type=checkbox]`));
  const tell = () => {
    const told = element.querySelector('[data-keys]')?.dataset.keys.split('|') ?? [];
    switches().forEach((box, i) => {
      if (!box) return;
      box.setAttribute('aria-keyshortcuts', i + 1);
      box.closest('label').title = told[i] ?? '';
    });
  };
  document.addEventListener('keydown', function press(event) {
    if (!element.isConnected) return document.removeEventListener('keydown', press);
    if (event.repeat || event.isComposing || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    const field = 'input:not([type=checkbox]):not([type=radio]):not([type=range]), textarea, select, [contenteditable]';
    if (event.defaultPrevented || event.target.closest?.(field)) return;
    const box = switches()[['1', '2', '3'].indexOf(event.key)];
    if (box && !box.disabled && box.offsetParent) box.click();
  });
  new MutationObserver(tell).observe(element, {subtree: true, childList: true});  // another language
  tell();
}
