// @ts-check
// An export works without a network once it was visited: its service worker is told to keep it,
// when the page has got what it needs itself. (There is none on hosts without https.)

const WAIT = 6000; // milliseconds

addEventListener("load", () => {
  setTimeout(() => navigator.serviceWorker?.register(new URL("./worker.js", import.meta.url)).catch(() => {}), WAIT);
});
