// Which shortcut a key press means, whatever the keyboard's layout.

let otherScript = false; // the latest letter was typed on a layout without Latin letters

// Returns the digit, small Latin letter or sign, the name of a key such as "backspace", or "" for none.
export function read(event) {
  const { code = "", key = "" } = event;
  const combined = event.ctrlKey || event.metaKey || event.altKey || event.getModifierState?.("AltGraph");
  if (combined || event.isComposing) return "";
  if (code.startsWith("Digit") && !event.shiftKey) return code.at(-1); // some layouts have the digits behind Shift
  return code.startsWith("Key") && goesByPosition(key) ? code.at(-1).toLowerCase() : key.toLowerCase();
}

// A layout of Latin letters means what it types: AZERTY has its z where QWERTY has w. Cyrillic, Greek, Hebrew or Arabic
// letters are no shortcuts, nor are the signs that such a layout has among them; the key's position counts there.
function goesByPosition(key) {
  if (key === "Process" || key === "Unidentified") return true; // an input method took the letter
  if (/^[\p{Letter}\p{Mark}]+$/u.test(key)) otherScript = !/\p{Script=Latin}/u.test(key);
  return otherScript;
}
