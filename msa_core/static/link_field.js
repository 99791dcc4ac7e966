// On the field of a copied link: it closes, and a press selects all of it.
element.addEventListener('click', event => {
  if (event.target.closest('button')) element.querySelector('.mm-shared').hidden = true;
  if (event.target.matches('input')) event.target.select();
});
