// On the answer: the moment of the clip as a field that the keyboard reaches, one under the seconds; see analyse.js.
{
  const video = () => document.querySelector('#mm-clip video');
  const follow = () => {
    const lanes = element.querySelector('.mm-time .mm-lanes[data-length]'), now = video()?.currentTime ?? 0;
    if (!lanes) return;
    let field = lanes.querySelector('.mm-moment');
    if (!field) {
      field = Object.assign(document.createElement('input'), {type: 'range', className: 'mm-moment', min: 0, step: 0.1});
      field.addEventListener('input', () => {
        if (video()) video().currentTime = Number(field.value);
        follow();  // said at once: the picture may be sought later
      });
      field.max = lanes.dataset.length;
      lanes.append(field);
    }
    const told = document.querySelector('.mm[data-moment]')?.dataset.moment ?? '';
    if (field.getAttribute('aria-label') !== told) field.setAttribute('aria-label', told);
    field.value = now;
    field.setAttribute('aria-valuetext', now.toFixed(1) + ' s');
  };
  const heard = event => {
    if (!element.isConnected) return ['timeupdate', 'seeked', 'loadeddata'].forEach(
      name => document.removeEventListener(name, heard, true));
    if (event.target.closest?.('#mm-clip')) follow();
  };
  ['timeupdate', 'seeked', 'loadeddata'].forEach(name => document.addEventListener(name, heard, true));
  new MutationObserver(() => { if (!element.querySelector('.mm-time .mm-moment')) follow(); })
    .observe(element, {subtree: true, childList: true});
  follow();
}
