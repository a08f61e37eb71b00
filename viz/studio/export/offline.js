// @ts-check
// An export works without a network once it was visited: its service worker is told to keep it,
// when the page has got what it needs itself. (There is none on hosts without https.)

const WAIT = 6000; // milliseconds

async function keep() {
  try {
    await navigator.serviceWorker?.register(new URL("./worker.js", import.meta.url));
  } catch {
    // This browser keeps nothing for the page, or has no room: the page works with a network alone.
  }
}

addEventListener("load", () => setTimeout(keep, WAIT));
