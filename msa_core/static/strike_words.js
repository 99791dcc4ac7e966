// On the answer: presses on words become events `strike`, one at a time.
const waiting = new Set();  // words clicked while an earlier strike is being answered
let asked = -Infinity;  // ms; after 5 s without a new answer, as when one was refused, the next click goes out anyway
const ask = () => {
  if (!waiting.size || performance.now() - asked < 5000) return;
  asked = performance.now();
  trigger('strike', {words: [...waiting]});
  waiting.clear();
};
const answered = new MutationObserver(() => { asked = -Infinity; ask(); });  // gradio may change no more than attributes
answered.observe(element, {attributeFilter: ['data-struck'], characterData: true, childList: true, subtree: true});
element.addEventListener('click', event => {
  const button = event.target.closest('button[data-word]'), word = button && Number(button.dataset.word);
  if (!button) return;
  button.setAttribute('aria-pressed', button.getAttribute('aria-pressed') !== 'true');
  if (!waiting.delete(word)) waiting.add(word);
  ask();
});
