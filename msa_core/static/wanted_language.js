() => {  // the language of the address, else the one chosen last time, else the browser's, else the first of the page
  const wanted = (mmLanguage.get() || navigator.language).toLowerCase();
  return mmLanguages.find(code => wanted.startsWith(code)) || mmLanguages[0];
}
