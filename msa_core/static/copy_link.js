async (given, language) => {  // the link's query and which clips of one's own were left out; the page's own address
  const box = document.querySelector('#mm-link .mm-shared'), [query, leftOut] = given;
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
  said.textContent = [copied ? 'copied' : 'selected', ...leftOut].map(key => box.dataset[key]).join(' ');
}
