() => { dispatchEvent(new Event("mm-ready")); }
