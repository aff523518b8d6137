// A short word in the corner that goes away by itself.
export function toast(message, hint = "", bad = false) {
  const note = document.createElement("div");
  note.className = bad ? "toast bad" : "toast";
  const title = document.createElement("b");
  title.textContent = message;
  note.append(title);
  if (hint) {
    const line = document.createElement("p");
    line.textContent = hint;
    note.append(line);
  }
  document.querySelector("toast-shelf").append(note);
  setTimeout(() => note.remove(), bad ? 9000 : 5000);
}
