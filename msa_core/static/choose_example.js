// On the list of examples: a press on one of them is the event `choose`.
element.addEventListener('click', event => {
  const button = event.target.closest('button[data-clip]');
  if (button) trigger('choose', {clip: button.dataset.clip});
});
