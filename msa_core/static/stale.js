// On the status line: while a clip is read, what is shown of an earlier one says so.
{
  const mark = () => {
    const reading = !!element.querySelector('.mm-steps') && !!document.querySelector('#mm-seen .mm-clip');
    const said = document.querySelector('.mm[data-earlier]')?.dataset.earlier ?? '';
    document.documentElement.style.setProperty('--mm-earlier', JSON.stringify(said));
    for (const place of document.querySelectorAll('#mm-answer, #mm-ruler, #mm-moments, #mm-said, #mm-inside, #mm-seen'))
      if (reading) place.setAttribute('aria-busy', 'true');
      else place.removeAttribute('aria-busy');
  };
  new MutationObserver(mark).observe(element, {subtree: true, childList: true});
}
