// The player of a lesson: the visitor's own clip where that is chosen, and only the channel that the lesson gives.
{
  const chosen = place => [...document.querySelectorAll(`#${place} input`)].findIndex(input => input.checked);
  const obey = () => {
    const figure = element.querySelector('.mm-lesson-player'), video = figure?.querySelector('video');
    if (!video) return;
    const own = chosen('mm-whose') === 1, caption = figure.querySelector('figcaption');
    const clip = own ? document.querySelector('#mm-clip .mirror-wrap video')?.currentSrc ?? '' : video.dataset.example;
    if ((video.getAttribute('src') ?? '') !== clip) {
      if (clip) video.src = clip;
      else video.removeAttribute('src');
      video.load();
    }
    const said = !own ? caption.dataset.said : clip ? '' : caption.dataset.own;
    if (caption.textContent !== said) caption.textContent = said;
    if (!figure.dataset.channel) return;
    const at = chosen(figure.dataset.channel);  // voice, face, both
    figure.toggleAttribute('data-covered', at < 1);
    if (video.muted !== (at === 1)) video.muted = at === 1;
  };
  const names = ['change', 'loadeddata', 'play', 'volumechange'];
  const heard = event => {
    if (!element.isConnected) return names.forEach(name => document.removeEventListener(name, heard, true));
    if (element.contains(event.target) || event.target.closest?.('#mm-whose, .mm-trial, #mm-clip')) setTimeout(obey, 0);
  };
  names.forEach(name => document.addEventListener(name, heard, true));
  new MutationObserver(() => setTimeout(obey, 0)).observe(element, {subtree: true, childList: true});
  obey();
}
