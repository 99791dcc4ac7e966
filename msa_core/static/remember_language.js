language => {
  mmLanguage.set(language);
  document.documentElement.lang = language;
  return language;
}
