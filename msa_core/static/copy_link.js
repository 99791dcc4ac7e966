async (given, language) => {  // the link's query and whether a clip of one's own was left out; the page's own address
  const box = document.querySelector('#mm-link .mm-shared'), [query, own] = given;
  const field = box.querySelector('input'), said = box.querySelector('.mm-link-said');
  const asked = new URLSearchParams(query), open = place => document.querySelector(`${place} button.selected`)?.dataset.tabId;
  const tab = open('#mm-tabs > .tab-wrapper') ?? 'analyse';
  if (tab !== 'analyse') asked.set('tab', tab);
  if (tab === 'learn') asked.set('lesson', open('#mm-lessons > .tab-wrapper'));
  asked.set('lang', language);
  field.value = location.origin + location.pathname + '?' + asked.toString().replaceAll('%2C', ',').replaceAll('%3A', ':');
  box.hidden = false;
  field.focus();
  field.select();
  const copied = await Promise.resolve().then(() => navigator.clipboard.writeText(field.value))
    .then(() => true, () => document.execCommand('copy'));
  said.textContent = box.dataset[copied ? 'copied' : 'selected'] + (own ? ' ' + box.dataset.own : '');
}
