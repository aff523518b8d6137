// A conversation with one model, or with two side by side. What a model writes is only ever set as text.
import { toast } from "./toast.js";

class ChatRoom extends HTMLElement {
  talks = new Map(); // column ("model" or "against") -> the messages of its conversation
  opinions = new Map(); // answer element -> opinion
  running = [];

  connectedCallback() {
    this.list = this.querySelector(".talk");
    this.mould = this.querySelector("template");
    this.setup = this.querySelector(".chat-setup");
    this.askForm = this.querySelector(".chat-ask");
    this.trialForm = this.querySelector(".chat-trial");
    this.askForm.addEventListener("submit", (event) => this.onAsk(event));
    this.trialForm.addEventListener("submit", (event) => this.onTrial(event));
    this.askForm.elements.words.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); this.askForm.requestSubmit(); }
    });
    this.setup.addEventListener("submit", (event) => event.preventDefault());
    this.on("again", () => this.again());
    this.on("stop", () => this.running.forEach((one) => one.abort()));
    this.on("send", () => this.send());
    this.loadModels();
  }

  on(what, act) {
    this.querySelector(`[data-do="${what}"]`).addEventListener("click", act);
  }

  async loadModels() {
    const { data } = await this.json("/oracle/models");
    for (const name of ["model", "against"]) {
      const select = this.setup.elements[name];
      const options = data.map((model) => new Option(model.about ? `${model.id} (${model.about})` : model.id, model.id));
      select.replaceChildren(...(name === "against" ? [new Option("nobody", "")] : []), ...options);
    }
    if (!data.length) this.setup.elements.model.append(new Option("no model yet", ""));
  }

  columns() {
    return ["model", "against"].map((column) => [column, this.setup.elements[column].value]).filter(([, name]) => name);
  }

  async onAsk(event) {
    event.preventDefault();
    const box = this.askForm.elements.words;
    const words = box.value.trim();
    if (!words || this.running.length || !this.setup.elements.model.value) return;
    box.value = "";
    this.say("you", "", words, "mine");
    await this.together((column, model) => {
      const messages = this.talk(column);
      messages.push({ role: "user", content: words });
      return this.answer(column, model, messages);
    });
  }

  async onTrial(event) {
    event.preventDefault();
    if (this.running.length || !this.setup.elements.model.value) return;
    const { skill, level } = this.trialForm.elements;
    const model = this.setup.elements.model.value;
    const trial = await this.json("/oracle/trial", { model, skill: skill.value, level: level.value ? Number(level.value) : null });
    const title = `${trial.skill.toUpperCase()} level ${trial.level}`;
    this.say(title, "", trial.messages.at(-1).content, "mine");
    await this.together(async (column, name) => {
      const item = await this.answer(column, name, [...trial.messages], 0);
      if (!item?.whole) return;
      const { skill: of, level: at, seed } = trial;
      const grade = await this.json("/oracle/grade", { model: name, skill: of, level: at, seed, answer: item.text });
      const note = item.querySelector(".grade");
      note.hidden = false;
      note.classList.add(grade.correct ? "right" : "wrong");
      note.textContent = grade.correct ? "Right." : `Wrong: ${grade.reason}. Right would be: ${grade.right}`;
    });
  }

  // Ask every column at once; the buttons follow.
  async together(act) {
    this.busy(true);
    try {
      await Promise.all(this.columns().map(([column, model]) => act(column, model)));
    } finally {
      this.running = [];
      this.busy(false);
      this.askForm.elements.words.focus();
    }
  }

  busy(yes) {
    this.querySelector('[data-do="stop"]').disabled = !yes;
    for (const button of this.querySelectorAll('button[type="submit"]')) if (!button.value) button.disabled = yes;
    this.toggleAttribute("aria-busy", yes);
  }

  talk(column) {
    if (!this.talks.has(column)) this.talks.set(column, []);
    return this.talks.get(column);
  }

  async answer(column, model, messages, temperature = Number(this.setup.elements.temperature.value)) {
    const item = this.say(model, "", "", column === "against" ? "theirs beside" : "theirs");
    const stopping = new AbortController();
    this.running.push(stopping);
    const asked = { model, messages, temperature, max_tokens: Number(this.setup.elements.tokens.value), stream: true, stream_options: { include_usage: true } };
    const began = performance.now();
    item.text = "";
    try {
      const reply = await fetch("/oracle/chat", { method: "POST", signal: stopping.signal, headers: { "Content-Type": "application/json" }, body: JSON.stringify(asked) });
      if (!reply.ok) throw (await reply.json()).error;
      for await (const event of events(reply.body)) this.take(item, event, began);
    } catch (error) {
      if (error.name !== "AbortError") {
        item.classList.add("broken");
        item.querySelector(".words").textContent = error.message;
        toast(error.message, error.hint ?? "", true);
        return item;
      }
      item.querySelector(".fine").textContent = "stopped";
    }
    this.judgeable(item, [...messages]);
    messages.push({ role: "assistant", content: item.text });
    return item;
  }

  take(item, event, began) {
    if (event.error) throw event.error;
    item.weights = event.model;
    const choice = event.choices[0];
    item.text += choice?.delta?.content ?? "";
    item.whole ||= Boolean(choice?.finish_reason);
    item.querySelector(".words").textContent = item.text;
    if (event.usage) {
      const seconds = (performance.now() - began) / 1000;
      item.querySelector(".fine").textContent = `${event.model} · ${event.usage.completion_tokens} tokens in ${seconds.toFixed(1)} s`;
    }
    this.list.scrollTop = this.list.scrollHeight;
  }

  say(who, note, words, kind) {
    const item = this.mould.content.firstElementChild.cloneNode(true);
    item.className = `said ${kind}`;
    item.querySelector("b").textContent = who;
    item.querySelector(".fine").textContent = note;
    item.querySelector(".words").textContent = words;
    this.list.append(item);
    this.list.scrollTop = this.list.scrollHeight;
    return item;
  }

  // An answer that a person may think something of.
  judgeable(item, messages) {
    if (!item.weights || !item.text.trim()) return;
    item.querySelector(".opinions").hidden = false;
    const opinion = (verdict, better = "") => ({ model: item.weights, messages, answer: item.text, verdict, better });
    for (const button of item.querySelectorAll("[data-verdict]")) {
      button.addEventListener("click", () => this.think(item, opinion(button.dataset.verdict)));
    }
    const form = item.querySelector(".better");
    item.querySelector('[data-do="edit"]').addEventListener("click", () => {
      form.hidden = !form.hidden;
      form.elements.better.value ||= item.text;
      if (!form.hidden) form.elements.better.focus();
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const better = form.elements.better.value;
      if (better === item.text && event.submitter.value === "prefer") return toast("These are the same words.", "Change them first.", true);
      form.hidden = true;
      this.think(item, opinion(event.submitter.value, better));
    });
  }

  think(item, opinion) {
    const same = this.opinions.get(item)?.verdict === opinion.verdict && !opinion.better;
    if (same) this.opinions.delete(item);
    else this.opinions.set(item, opinion);
    for (const button of item.querySelectorAll("[data-verdict]")) {
      button.setAttribute("aria-pressed", String(!same && button.dataset.verdict === opinion.verdict));
    }
    item.classList.toggle("thought", !same);
    this.count();
  }

  count() {
    const button = this.querySelector('[data-do="send"]');
    const n = this.opinions.size;
    button.disabled = !n;
    button.querySelector("span").textContent = n ? `Send ${n} ${n === 1 ? "opinion" : "opinions"} to training` : "Send opinions to training";
  }

  async send() {
    const { made } = await this.json("/oracle/feedback", { opinions: [...this.opinions.values()] });
    for (const item of this.opinions.keys()) item.querySelector(".opinions").hidden = true;
    this.opinions.clear();
    this.count();
    toast(`Sent to the inbox: ${made.join(", ")}.`);
  }

  again() {
    this.running.forEach((one) => one.abort());
    this.talks.clear();
    this.opinions.clear();
    this.count();
    this.list.replaceChildren();
  }

  async json(path, body) {
    const asked = body === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
    const reply = await fetch(path, asked);
    const told = await reply.json();
    if (reply.ok) return told;
    toast(told.error.message, told.error.hint, true);
    throw new Refused(told.error.message);
  }
}

class Refused extends Error {}
window.addEventListener("unhandledrejection", (event) => {
  if (event.reason instanceof Refused) event.preventDefault(); // it was shown
});

// The events of a stream, as they come.
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    held += value;
    const parts = held.split("\n\n");
    held = parts.pop();
    for (const part of parts) {
      const data = part.replace(/^data: /, "");
      if (data && data !== "[DONE]") yield JSON.parse(data);
    }
  }
}

customElements.define("chat-room", ChatRoom);
