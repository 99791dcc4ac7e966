// Runs once for the `element` of the answer and once for that of the clip: playhead, current second and word,
// attention under the frames, seeking. The drawings may be replaced at any time, and so may the video.
const video = () => document.querySelector('#mm-clip video');
const place = () => {
  const at = video() ? video().currentTime : -1;
  for (const lanes of element.querySelectorAll('.mm-lanes[data-length]')) {
    const head = lanes.querySelector('.mm-playhead');
    const share = Math.max(0, Math.min(1, at / Number(lanes.dataset.length))).toFixed(4);
    if (head && head.style.getPropertyValue('--at') !== share) head.style.setProperty('--at', share);
  }
  for (const part of element.querySelectorAll('[data-from]')) {
    const now = Number(part.dataset.from) <= at && at < Number(part.dataset.to);
    if (part.classList.contains('mm-current') !== now) part.classList.toggle('mm-current', now);
  }
};
const weigh = () => {
  const given = document.querySelector('[data-frame-weights]');
  const shares = given ? JSON.parse(given.dataset.frameWeights) : [];
  const top = Math.max(1e-9, ...shares);
  document.querySelectorAll('.mm-strip .mm-share').forEach((mark, i) => {
    const told = shares[i] === undefined ? '' : Math.round(100 * shares[i]) + '%';
    const width = shares[i] === undefined ? '0' : (shares[i] / top).toFixed(3);
    if (mark.lastChild.textContent !== told) mark.lastChild.textContent = told;
    if (mark.style.getPropertyValue('--w') !== width) mark.style.setProperty('--w', width);
  });
};
const sync = () => { place(); weigh(); };
const heard = event => {
  if (!element.isConnected) return ['timeupdate', 'seeked', 'loadeddata', 'emptied'].forEach(
    name => document.removeEventListener(name, heard, true));
  if (event.target.closest && event.target.closest('#mm-clip')) place();
};
['timeupdate', 'seeked', 'loadeddata', 'emptied'].forEach(name => document.addEventListener(name, heard, true));
element.addEventListener('click', event => {
  const mark = event.target.closest('[data-seek]');
  const lane = event.target.closest('.mm-lanes[data-length] .mm-lane-body');
  if (!video() || !(mark || lane)) return;
  if (mark) video().currentTime = Number(mark.dataset.seek);
  else {
    const box = lane.getBoundingClientRect(), length = Number(lane.closest('[data-length]').dataset.length);
    video().currentTime = Math.max(0, (event.clientX - box.left) / box.width * length);
  }
  video().play().catch(() => {});
});
new MutationObserver(sync).observe(element, {subtree: true, childList: true, attributes: true,
  attributeFilter: ['style', 'class', 'data-length', 'data-from', 'data-to', 'data-frame-weights']});
sync();
