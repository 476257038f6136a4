// A second click would send the form again: the first one used the link up, and only its answer signs the browser in.
document.querySelector("form[action$='/sign-in']").addEventListener("submit", (event) => {
  event.target.querySelector("button").disabled = true;
});

// The page comes back from the browser's memory when a person goes back to it.
addEventListener("pageshow", (event) => event.persisted && location.reload());
