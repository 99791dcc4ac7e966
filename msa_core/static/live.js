// The Live tab: pictures and sound go to the server in small requests, one after another, and the answers are drawn.
// The panel is drawn again in another language at any time: what runs is kept here, and `show` puts it back.
const PICTURE_MS = 200, STEP_MS = 250, WAIT_MS = 2000, PATIENCE_MS = 12000, SPOKEN_MS = 8000, TRACE_MS = 30000;
const KEPT_MS = 3000, WIDE = 320, RATE = 16000, ATTEMPTS = 5;
const TAP = `registerProcessor('tap', class extends AudioWorkletProcessor {
  constructor() { super(); this.parts = []; this.n = 0; }
  process([[channel]]) {
    if (channel) { this.parts.push(channel.slice()); this.n += channel.length; }
    if (this.n >= sampleRate / 20) {
      const all = new Float32Array(this.n);
      let at = 0;
      for (const part of this.parts) { all.set(part, at); at += part.length; }
      this.port.postMessage(all, [all.buffer]);
      this.parts = []; this.n = 0;
    }
    return true;
  }
});`;
const find = what => element.querySelector(what), all = what => [...element.querySelectorAll(what)];
const words = () => JSON.parse(find('.mm-live')?.dataset.words ?? '{}');
const now = () => performance.now() / 1000;
let panel = null, language = '', run = null, status = ['', []], last = null, trace = [], told = 0, method = '';
const off = new Set();

const say = (key, ...numbers) => { status = [key, numbers]; show_status(); };
function show_status() {
  const place = find('.mm-live-status'), [key, numbers] = status;
  if (!place) return;
  let text = words()[key] ?? '';
  for (const number of numbers) text = text.replace('#', number);
  place.classList.toggle('mm-live-trouble', !['', 'live', 'asking', 'connecting', 'stopped', 'waiting'].includes(key));
  if (place.textContent !== text) place.textContent = text;
  // a screen reader is told of a change, not of every measurement
  place.setAttribute('aria-live', key === 'live' ? 'off' : 'polite');
}

async function ask(name, body) {
  const answer = await fetch(`live/${name}` + (run?.id ? `?id=${run.id}` : ''),
    {method: 'POST', body, signal: AbortSignal.timeout(PATIENCE_MS)});
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.json();
}

// camera and microphone, or the one of them that there is
async function opened() {
  const devices = navigator.mediaDevices;
  if (!devices?.getUserMedia) throw {name: 'insecure'};
  const open = wanted => MediaDevices.prototype.getUserMedia.call(devices, wanted);  // the notices of page.js are for clips
  const video = {width: {ideal: 640}, height: {ideal: 480}, facingMode: 'user'};
  try { return await open({audio: true, video}); } catch (error) {
    if (error.name !== 'NotFoundError') throw error;
  }
  try { return await open({video}); } catch (error) { if (error.name !== 'NotFoundError') throw error; }
  return open({audio: true});
}

async function start() {
  if (run) return;
  const mine = run = {pictures: [], sound: [], ends: []};
  trace = []; last = null;
  say('asking'); show();
  try {
    mine.stream = await opened();
  } catch (error) {
    return stop({NotAllowedError: 'denied', NotFoundError: 'nothing', NotReadableError: 'busy', insecure: 'insecure'}[error.name] ?? 'failed');
  }
  mine.ends.push(() => mine.stream.getTracks().forEach(track => track.stop()));
  if (run !== mine) return mine.ends.forEach(end => end());
  try {
    say('connecting'); show();
    await listen(mine);
    look(mine);
    Object.assign(mine, await ask('enter'));
    if (run === mine) await go_on(mine);
  } catch { if (run === mine) stop('lost'); }
}

// one request after another: a slow server gets fewer, and nothing piles up
async function go_on(mine) {
  let failed = 0;
  while (run === mine) {
    if (mine.ended) return stop(mine.ended);
    const begin = performance.now();
    try {
      if (mine.seated) await step(mine);
      else {
        say('waiting', mine.ahead);
        await sleep(WAIT_MS);
        if (run === mine) Object.assign(mine, await ask('place'));
        mine.pictures = []; mine.sound = [];
      }
      failed = 0;
    } catch (error) {
      if (run !== mine) return;
      if (++failed >= ATTEMPTS) return stop(/^\d+$/.test(error.message) ? 'failed' : 'lost');
      say('again');
      await sleep(1000);
    }
    await sleep(Math.max(0, STEP_MS - (performance.now() - begin)));
  }
}
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));

async function step(mine) {
  const pictures = mine.pictures.splice(0).filter(p => p.t > now() - KEPT_MS / 1000);
  const sound = mine.sound.splice(0).slice(-60);
  const taken = pictures.length ? pictures.at(-1).t : now();
  const head = new TextEncoder().encode(JSON.stringify({
    now: now(), rate: mine.rate ?? RATE, pictures: pictures.map(p => [p.t, p.data.length]), off: [...off],
    method: method || find('select')?.value, language: find('.mm-live')?.dataset.language ?? 'en',
  }));
  const length = new DataView(new ArrayBuffer(4));
  length.setUint32(0, head.length, true);
  const answer = await ask('step', new Blob([length, head, ...pictures.map(p => p.data), ...sound]));
  if (run !== mine) return;
  Object.assign(mine, {seated: answer.seated, ended: answer.ended, ahead: answer.ahead});
  if (!answer.seated) return;
  last = answer;
  draw();
  mine.drawn = [...(mine.drawn ?? []).slice(-9), {at: now(), lag: now() - taken}];
  find('.mm-live').dataset.lag = Math.round(1000 * (now() - taken));
  const {drawn} = mine, lags = drawn.map(d => d.lag).sort((a, b) => a - b);
  const rate = drawn.length > 1 ? (drawn.length - 1) / (drawn.at(-1).at - drawn[0].at) : 0;
  if (drawn.length > 4) say('live', rate.toFixed(1), lags[lags.length >> 1].toFixed(1));
}

async function listen(mine) {
  if (!mine.stream.getAudioTracks().length) return;
  let context, source;
  const begin = options => { context = new AudioContext(options); source = context.createMediaStreamSource(mine.stream); };
  try { begin({sampleRate: RATE}); } catch { context?.close(); begin({}); }  // Firefox: the microphone's own rate
  mine.ends.push(() => context.close());
  mine.rate = context.sampleRate;
  const address = URL.createObjectURL(new Blob([TAP], {type: 'text/javascript'}));
  await context.audioWorklet.addModule(address);
  URL.revokeObjectURL(address);
  const tap = new AudioWorkletNode(context, 'tap', {channelCount: 1, channelCountMode: 'explicit', numberOfOutputs: 0});
  tap.port.onmessage = ({data}) => {
    mine.sound.push(Int16Array.from(data, v => Math.max(-32768, Math.min(32767, Math.round(v * 32768)))));
    if (mine.sound.length > 80) mine.sound.shift();
  };
  source.connect(tap);
  await context.resume();
}

function look(mine) {
  if (!mine.stream.getVideoTracks().length) return;
  const canvas = document.createElement('canvas'), pen = canvas.getContext('2d', {willReadFrequently: true});
  const ticking = setInterval(() => {
    const video = find('video');
    if (!video?.videoWidth || !mine.seated) return;
    const scale = Math.min(1, WIDE / Math.max(video.videoWidth, video.videoHeight)), t = now();
    canvas.width = Math.round(video.videoWidth * scale);
    canvas.height = Math.round(video.videoHeight * scale);
    pen.drawImage(video, 0, 0, canvas.width, canvas.height);
    // at once: the browser puts `toBlob` off for seconds while it has anything else to do
    const coded = atob(canvas.toDataURL('image/jpeg', 0.85).split(',')[1]);
    mine.pictures.push({t, data: Uint8Array.from(coded, c => c.charCodeAt(0))});
    if (mine.pictures.length > 15) mine.pictures.shift();
  }, PICTURE_MS);
  mine.ends.push(() => clearInterval(ticking));
}

function stop(why = 'stopped') {
  const mine = run;
  run = null; last = null;
  mine?.ends.forEach(end => end());
  if (mine?.id && !mine.ended) navigator.sendBeacon(`live/leave?id=${mine.id}`);
  say(why); show();
}

function draw() {
  const {marks, interval, modalities, transcript, face, kept, sentence} = last;  // kept: by lane
  for (const [lane, row] of ['full', 'left', 'missing'].map(l => [l, find(`[data-lane=${l}]`)])) {
    if (!row) continue;
    const mark = marks[lane], dot = row.querySelector('b');
    dot.hidden = !mark;
    if (mark) dot.style.left = `${mark.at}%`;
    row.querySelector('strong').textContent = mark?.number ?? '–';
    row.querySelector('dd small').textContent = mark?.words ?? '';
  }
  const bar = find('[data-lane=missing] i');
  bar.hidden = !interval;
  if (interval) Object.assign(bar.style, {left: `${interval[0]}%`, width: `${interval[1] - interval[0]}%`});
  all('[data-kept]').forEach(place => { place.textContent = kept[place.closest('[data-lane]').dataset.lane] || place.dataset.plain; });
  for (const [m, {present, said}] of Object.entries(modalities)) {
    const box = find(`[data-modality=${m}]`);
    box.closest('label').classList.toggle('mm-live-missing', !present);
    find(`#mm-live-${m}`).textContent = said;
  }
  const caption = find('.mm-live-caption');
  caption.hidden = off.has('text') || !transcript;
  caption.textContent = transcript;
  const frame = find('.mm-live-face');
  frame.hidden = !face || off.has('vision');
  if (face) place_face(frame, ...face);
  if (now() - told > SPOKEN_MS / 1000) { told = now(); find('[data-live=said]').textContent = sentence; }
  trace.push({t: performance.now(), marks});
  trace = trace.filter(p => p.t > performance.now() - TRACE_MS);
  for (const lane of ['full', 'left', 'missing']) {
    const end = performance.now(), drawn = trace.filter(p => p.marks[lane]);
    find(`polyline[data-line=${lane}]`).setAttribute('points', drawn.map(p =>
      `${(300 - 300 * (end - p.t) / TRACE_MS).toFixed(1)},${(60 - 0.6 * p.marks[lane].at).toFixed(1)}`).join(' '));
  }
}

// the picture is a mirror, and stands in the middle of its place
function place_face(frame, x, y, w, h) {
  const {clientWidth: across, clientHeight: down, firstElementChild: video} = frame.parentElement;
  const scale = Math.min(across / video.videoWidth, down / video.videoHeight);
  const wide = video.videoWidth * scale, high = video.videoHeight * scale;
  const box = {right: (across - wide) / 2 + x * wide, top: (down - high) / 2 + y * high, width: w * wide, height: h * high};
  for (const [side, size] of Object.entries(box)) frame.style[side] = `${size.toFixed(1)}px`;
}

// everything that a panel just drawn does not know
function show() {
  panel = find('.mm-live');
  if (!panel) return;
  language = panel.dataset.language;
  const video = find('video'), go = find('[data-live=start]'), end = find('[data-live=stop]');
  if (video.srcObject !== (run?.stream ?? null)) video.srcObject = run?.stream ?? null;
  if (run?.stream) video.play().catch(() => {});
  const focused = [go, end].includes(document.activeElement);
  go.hidden = !!run; end.hidden = !run;
  if (focused) (run ? end : go).focus();
  panel.classList.toggle('mm-live-on', !!run);
  all('[data-modality]').forEach(box => { box.checked = !off.has(box.dataset.modality); });
  find('.mm-live-unseen').hidden = !run || !off.has('vision');
  find('.mm-live-invite').hidden = !!run;
  if (method) find('select').value = method;
  const chosen = find('select').selectedOptions[0].textContent;
  all('[data-method]').forEach(place => { place.textContent = chosen; });
  show_status();
  if (last) draw();
  else {
    find('.mm-live-face').hidden = find('.mm-live-caption').hidden = true;
    all('.mm-live-track > *').forEach(mark => { mark.hidden = true; });
    all('[data-lane] strong').forEach(place => { place.textContent = '–'; });
    all('[data-plain]').forEach(place => { place.textContent = place.dataset.plain; });
    all('.mm-live-missing').forEach(place => place.classList.remove('mm-live-missing'));
    all('[data-lane] dd small').forEach(place => { place.textContent = ''; });
  }
}

element.addEventListener('click', event => {
  const press = event.target.closest('[data-live]')?.dataset.live;
  if (press === 'start') start();
  if (press === 'stop') stop();
});
element.addEventListener('change', event => {
  const {modality} = event.target.dataset;
  if (modality) off[event.target.checked ? 'delete' : 'add'](modality);
  if (event.target.matches('select')) method = event.target.value;
  told = 0;
  show();
});
const seen = () => element.isConnected && element.offsetParent !== null && !document.hidden;
addEventListener('keydown', event => {
  if (!seen() || event.repeat || event.isComposing || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
  const field = 'input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]';
  if (event.target.closest?.(field)) return;
  all('[data-modality]')[['1', '2', '3'].indexOf(event.key)]?.click();
});
addEventListener('pagehide', () => { if (run) stop(); });
document.addEventListener('visibilitychange', () => { if (run && document.hidden) stop('hidden'); });
setInterval(() => { if (run?.stream && !seen()) stop('hidden'); }, 500);
// another language: the panel is replaced, or changed in its place
const afresh = () => { if (find('.mm-live') !== panel || panel?.dataset.language !== language) show(); };
new MutationObserver(afresh).observe(element, {childList: true, subtree: true, attributes: true, attributeFilter: ['data-language']});
show();
