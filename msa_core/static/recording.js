// While gradio's recorder runs: its seconds on show, and a press on Stop at the limit. Its button says what it does.
{
  const words = () => element.querySelector('[data-limit]')?.dataset ?? {};
  const button = () => document.querySelector('#mm-clip .capture-button');
  let since = 0, ticking = 0;
  const show = () => {
    const timer = element.querySelector('.mm-timer'), seconds = (performance.now() - since) / 1000;
    if (timer) { timer.hidden = false; timer.textContent = (words().progress ?? '').replace('#', Math.floor(seconds)); }
    if (seconds >= Number(words().limit)) { end(); button()?.click(); }
  };
  const end = () => {
    clearInterval(ticking);
    ticking = 0;
    const timer = element.querySelector('.mm-timer');
    if (timer) timer.hidden = true;
  };
  let running = false;
  const watch = () => {
    const press = button(), runs = !!press?.querySelector('[title="stop recording"]');
    const said = runs ? words().stop : words().start;
    if (press && said && press.getAttribute('aria-label') !== said) press.setAttribute('aria-label', said);
    if (runs === running) return;
    running = runs;
    if (!runs) return end();
    since = performance.now();
    ticking = setInterval(show, 200);
    show();
  };
  const watching = new MutationObserver(() => element.isConnected ? watch() : (end(), watching.disconnect()));
  watching.observe(element.closest('#mm-left') ?? document.body, {subtree: true, childList: true});
  watch();
}
