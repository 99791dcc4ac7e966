() => {  // after a reading: on a phone the answer lies far below
  if (innerWidth < 760 && document.querySelector('#mm-status .mm-done'))
    document.querySelector('#mm-switches').parentElement.scrollIntoView();
}
