// Waits until what has been asked for in this frame has been drawn.
() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(null))))
