file => {  // [name, media type, text] as a download; null when there is nothing to save
  if (!file) return;
  const [name, mime, text] = file;
  if (!text) return;
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], {type: mime + ';charset=utf-8'}));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}
