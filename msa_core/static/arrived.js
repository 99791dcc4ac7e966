() => { dispatchEvent(new Event("mm-arrived")); }
