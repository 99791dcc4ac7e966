// Keys 1 2 3 press the switches, while they are on show: not in a field, not with another key. The switches say so.
// The visitor turns the keys off by the box of this element, which the browser remembers.
{
  const kept = {
    get: () => { try { return localStorage.getItem('mm-keys'); } catch { return null; } },
    set: value => { try { localStorage.setItem('mm-keys', value); } catch { /* on again next time */ } },
  };
  let on = kept.get() !== 'off';
  const switches = () => ['text', 'audio', 'vision'].map(m => document.querySelector(`#mm-${m} input[type=checkbox]`));
  const tell = () => {
    const told = element.querySelector('[data-keys]')?.dataset.keys.split('|') ?? [];
    const choice = element.querySelector('.mm-keys input');
    if (choice) choice.checked = on;
    switches().forEach((box, i) => {
      if (!box) return;
      if (on) box.setAttribute('aria-keyshortcuts', i + 1);
      else box.removeAttribute('aria-keyshortcuts');
      box.closest('label').title = on ? told[i] ?? '' : '';
    });
  };
  element.addEventListener('change', event => {
    on = event.target.checked;
    kept.set(on ? 'on' : 'off');
    tell();
  });
  document.addEventListener('keydown', function press(event) {
    if (!element.isConnected) return document.removeEventListener('keydown', press);
    if (!on || event.repeat || event.isComposing || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    const field = 'input:not([type=checkbox]):not([type=radio]):not([type=range]), textarea, select, [contenteditable]';
    if (event.defaultPrevented || event.target.closest?.(field)) return;
    const box = switches()[['1', '2', '3'].indexOf(event.key)];
    if (box && !box.disabled && box.offsetParent) box.click();
  });
  new MutationObserver(tell).observe(element, {subtree: true, childList: true});  // another language
  addEventListener('mm-ready', tell);  // the switches are drawn after this box
  tell();
}
