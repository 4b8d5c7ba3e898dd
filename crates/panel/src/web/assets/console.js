// The terminal in the page: xterm.js on one side, the console's WebSocket on the other.
"use strict";

(() => {
  const place = document.getElementById("terminal");
  if (!place) return;
  const state = document.getElementById("console-state");
  const again = document.getElementById("console-again");
  const say = (text) => { state.textContent = text; };

  const terminal = new Terminal({
    cursorBlink: true,
    // Less cuts underscores off in some fonts.
    lineHeight: 1.2,
    scrollback: 10000,
    fontSize: window.innerWidth < 600 ? 12 : 14,
    fontFamily: "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace",
    theme: { background: "#0d1110", foreground: "#d7e0db", cursor: "#4fb596" },
  });
  const fit = new FitAddon.FitAddon();
  terminal.loadAddon(fit);
  terminal.open(place);
  fit.fit();

  const DATA = 0;
  const RESIZE = 1;
  const encoder = new TextEncoder();
  let socket = null;
  let tries = 0;

  const send = (kind, bytes) => {
    if (!socket || socket.readyState !== WebSocket.OPEN) return;
    const frame = new Uint8Array(bytes.length + 1);
    frame[0] = kind;
    frame.set(bytes, 1);
    socket.send(frame);
  };
  const tellSize = () => {
    const { cols, rows } = terminal;
    send(RESIZE, [cols >> 8, cols & 255, rows >> 8, rows & 255]);
  };
  // A large paste goes in pieces; the other end takes them at its own pace.
  terminal.onData((text) => {
    const bytes = encoder.encode(text);
    for (let at = 0; at < bytes.length; at += 4096) send(DATA, bytes.subarray(at, at + 4096));
  });
  terminal.onBinary((text) => send(DATA, Uint8Array.from(text, (c) => c.charCodeAt(0))));
  terminal.onResize(tellSize);
  new ResizeObserver(() => fit.fit()).observe(place);

  const connect = async () => {
    again.hidden = true;
    say("Connecting…");
    let ticket;
    try {
      const answer = await fetch(place.dataset.ticket, {
        method: "POST",
        body: new URLSearchParams({ csrf: place.dataset.csrf }),
      });
      if (!answer.ok) throw new Error(answer.status === 404 ? "The server is gone." : `The panel refused (${answer.status}).`);
      ticket = (await answer.text()).trim();
    } catch (error) {
      // Nobody answered, as when the panel is started anew: that passes.
      const silent = error instanceof TypeError;
      lost(silent ? "The panel does not answer." : error.message, silent);
      return;
    }
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    socket = new WebSocket(`${scheme}//${location.host}/console/socket`, ["keyway.console", `ticket.${ticket}`]);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      // What is replayed on attaching begins on a clean screen.
      if (tries > 0) terminal.reset();
      tries = 0;
      say("Connected");
      tellSize();
      terminal.focus();
    };
    socket.onmessage = (event) => terminal.write(new Uint8Array(event.data));
    socket.onclose = (event) => {
      const ended = event.code === 1000;
      lost(event.reason || (ended ? "The console has ended." : "The connection is lost."), !ended);
    };
  };
  const lost = (why, retry = false) => {
    socket = null;
    say(why);
    again.hidden = false;
    tries += 1;
    if (retry && tries < 6) setTimeout(() => { if (!socket) connect(); }, 500 * 2 ** tries);
  };
  again.addEventListener("click", connect);
  connect();
})();
