// An agent on Node's `ws`: signs in, comes online, answers each message, leaves after one conversation.
// Usage: node agent.mjs http://127.0.0.1:PORT LOGIN PASSWORD

import { createRequire } from "node:module";

const WebSocket = createRequire(process.env.FOREIGN_MODULES)("ws");
const [base, login, password] = process.argv.slice(2);

const signIn = await fetch(base + "/api/v1/auth/login", {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ login, password }),
});
if (!signIn.ok) throw new Error(`log-in: ${signIn.status} ${await signIn.text()}`);
const { token } = await signIn.json();

const socket = new WebSocket(base.replace("http", "ws") + "/ws/agent", ["rushdesk.v1"]);
let asked = 0;
let taken = 0;
let fetching = false;

function say(frame) {
  const text = JSON.stringify({ ...frame, id: `na${++asked}` });
  console.log("node agent →", text.replace(token, "…"));
  socket.send(text);
}

// One fetch at a time (protocol 10).
function fetchFrom(conversation) {
  if (fetching) return;
  fetching = true;
  say({ type: "fetch", conversation, after: taken });
}

function takeEntry(frame) {
  if (frame.seq <= taken) return;
  if (frame.prev > taken) return fetchFrom(frame.conversation);
  taken = frame.seq;
  const { content, conversation } = frame;
  if (content.event === "closed") {
    say({ type: "presence", status: "offline" });
    socket.close();
  } else if (frame.from.kind === "visitor" && content.kind === "text") {
    const text = `About “${content.text}”: I am looking it up.`;
    say({ type: "send", conversation, content: { kind: "text", text } });
  }
}

socket.on("open", () => {
  say({ type: "hello", token });
  say({ type: "presence", status: "online" });
});
socket.on("message", (data) => {
  console.log("node agent ←", data.toString());
  const frame = JSON.parse(data.toString());
  if (frame.type === "error") throw new Error(JSON.stringify(frame));
  if (frame.type === "assigned") fetchFrom(frame.conversation);
  if (frame.type === "caught_up") fetching = false;
  if (frame.type === "entry") takeEntry(frame);
});
setTimeout(() => process.exit(socket.readyState === WebSocket.CLOSED ? 0 : 1), 60_000).unref();
