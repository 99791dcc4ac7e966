// What the page does in the browser besides gradio: the remembered language, links to tabs, words for a camera that fails.
(() => {
  const kept = window.mmLanguage = {  // a browser may refuse to keep anything
    get: () => { try { return localStorage.getItem('mm-language'); } catch { return null; } },
    set: language => { try { localStorage.setItem('mm-language', language); } catch { /* asked again next time */ } },
  };
  const remembered = kept.get();
  if (remembered) {  // gradio's own words (the upload box) follow navigator.language
    const tag = remembered === 'zh' ? 'zh-CN' : remembered;
    Object.defineProperty(navigator, 'language', {get: () => tag});
    Object.defineProperty(navigator, 'languages', {get: () => [tag]});
  }
  document.documentElement.lang = remembered || navigator.language;

  const notice = key => {
    const place = document.querySelector('#mm-notices .mm-notice');
    if (!place) return;
    place.textContent = key ? place.dataset[key] : '';
    place.hidden = !key;
    if (key) place.scrollIntoView({block: 'nearest'});
  };
  const devices = navigator.mediaDevices, open = devices && devices.getUserMedia.bind(devices);
  if (open) devices.getUserMedia = async wanted => {
    notice('');
    try {
      return await open(wanted);
    } catch (error) {
      if (error.name === 'NotFoundError' && wanted.audio && wanted.video) {
        const found = (await devices.enumerateDevices()).map(d => d.kind);
        if (found.includes('videoinput')) {
          notice('no_microphone');
          return open({...wanted, audio: false});
        }
      }
      notice({NotAllowedError: 'camera_denied', NotReadableError: 'camera_busy'}[error.name] || 'no_camera');
      throw error;
    }
  };
  else addEventListener('click', event => { if (event.target.closest('#mm-agree')) notice('insecure'); });
  addEventListener('offline', () => notice('connection_lost'));
  addEventListener('online', () => notice(''));

  // #compare or #learn/prompts opens that tab; the back button goes back through them
  const mark = lesson => document.querySelectorAll('#mm-overview a').forEach(link =>
    link.hash === `#learn/${lesson}` ? link.setAttribute('aria-current', 'step') : link.removeAttribute('aria-current'));
  const open_tab = () => {
    const [tab, lesson] = location.hash.slice(1).split('/');
    const press = name => document.querySelector(`button[role=tab][data-tab-id="${CSS.escape(name)}"]`)?.click();
    if (tab) press(tab);
    if (lesson) setTimeout(() => { press(lesson); mark(lesson); }, 50);
    if (!tab) press('analyse');
  };
  let moving = false;
  addEventListener('popstate', () => { moving = true; open_tab(); setTimeout(() => { moving = false; }, 200); });
  addEventListener('click', event => {
    const tab = event.target.closest?.('button[role=tab][data-tab-id]');
    if (!tab || moving) return;
    const name = tab.dataset.tabId;
    if (location.hash.slice(1) !== name) history.pushState(null, '', `#${name}`);
  });
  const wait = setInterval(() => {
    if (!document.querySelector('button[role=tab][data-tab-id]')) return;
    clearInterval(wait);
    const unmarked = () => document.querySelector('#mm-overview a') && !document.querySelector('#mm-overview a[aria-current]');
    new MutationObserver(() => {  // the list of lessons is drawn again, without a mark, in another language
      if (unmarked()) mark(document.querySelector('#mm-lessons button[role=tab].selected')?.dataset.tabId);
    }).observe(document.querySelector('gradio-app') || document.body, {childList: true, subtree: true});
    if (location.hash) { moving = true; open_tab(); setTimeout(() => { moving = false; }, 300); }
  }, 50);
})();
