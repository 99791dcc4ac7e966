// On the line of an address: what it names is asked for once the page is in its language (languages.py).
{
  const names = ['clip', 'method', 'off', 'drop', 'absent_text', 'words', 'struck', 'blur', 'noise', 'spoken',
    'any_language', 'tab', 'lesson', 'lang', 'second', 'lesson_clip', 'corpus', 'protocol', 'metric', 'rows', 'missing'];
  const given = new URLSearchParams(location.search), others = names.slice(names.indexOf('second'));  // of other tabs
  addEventListener('mm-ready', () => {
    const asked = names.some(name => given.has(name)), answered = document.querySelector('#mm-status .mm-done');
    const first = document.querySelector('#mm-examples [data-clip]')?.dataset.clip;
    const bare = (given.has('embed') || given.has('present')) && !given.has('clip') && first;  // nowhere to choose a clip
    if (bare) given.set('clip', first);
    if (asked || bare && !answered) trigger('arrive', {query: given.toString()});
  }, {once: true});
  addEventListener('mm-arrived', () => others.some(name => given.has(name))
    ? trigger('restore', {query: given.toString()}) : trigger('arrived', {}));
}
