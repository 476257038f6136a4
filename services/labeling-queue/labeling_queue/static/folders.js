// Folders of the bucket that may be new labels: shown below the labels, and what a person decides about them.

import { decide, state } from "./tasks.js";

const $ = (id) => document.getElementById(id);
const make = (tag, properties) => Object.assign(document.createElement(tag), properties);

let shown = "";

export function show() {
  const wanted = JSON.stringify(state.folders);
  if (wanted === shown) return;
  shown = wanted;
  $("folders").hidden = state.folders.length === 0;
  $("folders").querySelectorAll("button").forEach((button) => button.remove());
  for (const { name, images } of state.folders) {
    const button = make("button", { value: name });
    button.dataset.act = "folder";
    button.append(make("span", { textContent: name }), make("small", { textContent: images === 1 ? "1 image" : `${images} images` }));
    $("folders").append(button);
  }
}

export function ask(name) {
  const folder = state.folders.find((each) => each.name === name);
  if (!folder) return;
  const dialog = $("folder");
  dialog.returnValue = "";
  $("folder-label").textContent = `Which label is the folder “${name}”?`;
  $("folder-name").value = folder.nearest ?? name;
  dialog.showModal();
  dialog.onclose = () => {
    const label = $("folder-name").value.trim().replace(/\s+/g, " ").normalize("NFC");
    if (dialog.returnValue === "new") decide(name, name);
    else if (dialog.returnValue === "use" && label) decide(name, label);
  };
}
