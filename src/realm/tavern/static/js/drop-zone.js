// Takes a dropped or chosen file, sends it, shows how far it is, and puts the server's report below.
import { toast } from "./toast.js";

class DropZone extends HTMLElement {
  connectedCallback() {
    this.input = this.querySelector("input");
    this.target = document.querySelector(this.getAttribute("target"));
    this.input.addEventListener("change", () => this.send(this.input.files[0]));
    for (const name of ["dragenter", "dragover"]) this.addEventListener(name, (event) => this.over(event, true));
    for (const name of ["dragleave", "drop"]) this.addEventListener(name, (event) => this.over(event, false));
    this.addEventListener("drop", (event) => this.send(event.dataTransfer.files[0]));
  }

  over(event, yes) {
    event.preventDefault();
    this.classList.toggle("over", yes);
  }

  send(file) {
    if (!file) return;
    const limit = Number(this.getAttribute("limit"));
    if (file.size > limit) {
      toast(`${file.name} is larger than the page takes.`, "Copy it into the inbox folder instead.", true);
      return;
    }
    const bar = document.createElement("progress");
    bar.max = 1;
    bar.value = 0;
    bar.setAttribute("aria-label", `Sending ${file.name}`);
    this.querySelector("progress")?.remove();
    this.append(bar);
    const request = new XMLHttpRequest();
    request.open("POST", `${this.getAttribute("action")}?name=${encodeURIComponent(file.name)}`);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.addEventListener("progress", (event) => { bar.value = event.loaded / event.total; });
    request.addEventListener("loadend", () => { bar.remove(); this.input.value = ""; this.show(request); });
    request.send(file);
  }

  show(request) {
    if (request.status === 200) {
      htmx.swap(this.target, request.responseText, { swapStyle: "innerHTML" });
      this.target.scrollIntoView({ block: "nearest", behavior: "smooth" });
      return;
    }
    let error = { message: "The file could not be sent.", hint: "The realm does not answer." };
    try { error = JSON.parse(request.responseText).error; } catch { /* not ours: keep the plain words */ }
    toast(error.message, error.hint, true);
  }
}
customElements.define("drop-zone", DropZone);
