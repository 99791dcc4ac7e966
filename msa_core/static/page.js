// What the page does in the browser besides gradio: the remembered language, links to tabs, words for a camera that fails.
(() => {
  const given = new URLSearchParams(location.search);  // a shared link: its language, tab and lesson
  const asked = {language: mmLanguages.find(code => code === given.get('lang')), tab: given.get('tab'), lesson: given.get('lesson')};
  const kept = window.mmLanguage = {  // a browser may refuse to keep anything
    get: () => { try { return asked.language || localStorage.getItem('mm-language'); } catch { return asked.language; } },
    set: language => { asked.language = null; try { localStorage.setItem('mm-language', language); } catch { /* asked again next time */ } },
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
  const told = new WeakSet();  // errors of the camera that the notice says: nobody else catches them
  addEventListener('unhandledrejection', event => { if (told.has(Object(event.reason))) event.preventDefault(); });
  const devices = navigator.mediaDevices, open = devices && devices.getUserMedia.bind(devices);
  if (open) devices.getUserMedia = async wanted => {
    notice('');
    const failed = error => {
      notice({NotAllowedError: 'camera_denied', NotReadableError: 'camera_busy'}[error.name] || 'no_camera');
      told.add(error);
      throw error;
    };
    try {
      return await open(wanted);
    } catch (error) {
      if (error.name === 'NotFoundError' && wanted.audio && wanted.video) {
        const found = (await devices.enumerateDevices()).map(d => d.kind);
        if (found.includes('videoinput')) {
          notice('no_microphone');
          return open({...wanted, audio: false}).catch(failed);
        }
      }
      return failed(error);
    }
  };
  else addEventListener('click', event => { if (event.target.closest('#mm-agree')) notice('insecure'); });
  // Offline nothing is asked of the server: after a call that failed gradio loads the page anew, and the clip is gone.
  const far = !/^(localhost|127(\.\d+){3}|\[::1\])$/.test(location.hostname);
  let away = false;  // some browsers say from the start that they are offline, and are not
  for (const kind of ['offline', 'online']) addEventListener(kind, () => {
    away = far && kind === 'offline';
    notice(away ? 'offline' : '');
  });
  for (const kind of ['pointerdown', 'click', 'keydown']) addEventListener(kind, event => {
    const typed = event.target.closest?.('textarea, input:is([type=text], [type=password])');
    const asks = typed ? event.key === 'Enter' : event.target.closest?.('button, input, select, label, [role=option]');
    if (!away || !asks || event.key === 'Tab' || event.target.closest('#mm-live')) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    notice('offline');
  }, true);

  // #compare or #learn/prompts opens that tab; the back button goes back through them
  const mark = lesson => document.querySelectorAll('#mm-overview a').forEach(link =>
    link.hash === `#learn/${lesson}` ? link.setAttribute('aria-current', 'step') : link.removeAttribute('aria-current'));
  let ours = false, later;  // ours: a press below, which is no step of the visitor's
  const press = name => {
    ours = true;
    document.querySelector(`button[role=tab][data-tab-id="${CSS.escape(name)}"]`)?.click();
    ours = false;
  };
  const open_tab = () => {
    const [tab, lesson] = location.hash ? location.hash.slice(1).split('/') : [asked.tab, asked.lesson];
    clearTimeout(later);
    press(tab || 'analyse');
    if (lesson) later = setTimeout(() => { press(lesson); mark(lesson); }, 50);
  };
  addEventListener('click', event => {  // past the head
    if (!event.target.closest?.('.mm-skip')) return;
    event.preventDefault();
    const panel = [...document.querySelectorAll('#mm-tabs > [role=tabpanel]')].find(p => p.offsetParent);
    panel?.setAttribute('tabindex', '-1');
    panel?.focus();
  });
  addEventListener('popstate', open_tab);
  addEventListener('click', event => {  // the tab was opened before its lessons were there: the first one takes its place
    const lesson = event.target.closest?.('#mm-overview a');
    if (!lesson || location.hash !== '#learn') return;
    event.preventDefault();
    history.replaceState(null, '', lesson.hash);
    open_tab();
  });
  addEventListener('click', event => {
    const tab = event.target.closest?.('button[role=tab][data-tab-id]');
    if (!tab || ours) return;
    const lesson = document.querySelector('#mm-lessons > .tab-wrapper button.selected')?.dataset.tabId;
    const name = tab.dataset.tabId === 'learn' && lesson ? `learn/${lesson}` : tab.dataset.tabId;
    if (location.hash.slice(1) !== name) history.pushState(null, '', `#${name}`);
  });
  const wait = setInterval(() => {
    if (!document.querySelector('button[role=tab][data-tab-id]')) return;
    clearInterval(wait);
    const unmarked = () => document.querySelector('#mm-overview a') && !document.querySelector('#mm-overview a[aria-current]');
    new MutationObserver(() => {  // the list of lessons is drawn again, without a mark, in another language
      if (unmarked()) mark(document.querySelector('#mm-lessons button[role=tab].selected')?.dataset.tabId);
    }).observe(document.querySelector('gradio-app') || document.body, {childList: true, subtree: true});
    if (location.hash || asked.tab) open_tab();
  }, 50);
})();
