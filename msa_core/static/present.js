// Present mode for a projector (?present, or its button; Escape leaves it), and the small view for a frame (?embed).
(() => {
  const given = new URLSearchParams(location.search), look = document.documentElement.classList;
  const present = on => {
    look.toggle('mm-presenting', on);
    scrollTo(0, 0);
    setTimeout(() => document.querySelector(on ? '#mm-leave button' : '#mm-present')?.focus(), 50);
  };
  if (given.has('embed')) look.add('mm-embedded');
  else if (given.has('present')) look.add('mm-presenting');
  addEventListener('click', event => {
    const pressed = place => event.target.closest?.(place);
    if (pressed('#mm-present')) present(true);
    if (pressed('#mm-leave button')) present(false);
    if (pressed('.mm-whole-page')) {  // the same address as a whole page
      const asked = new URLSearchParams(location.search);
      asked.delete('embed');
      pressed('.mm-whole-page').href = location.pathname + '?' + asked;
    }
  }, true);
  addEventListener('keydown', event => {
    if (event.key === 'Escape' && !event.defaultPrevented && look.contains('mm-presenting')) present(false);
  });
})();
