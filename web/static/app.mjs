// The page works without this file; it adds keys and copy buttons.

const box = document.querySelector("#q");
const results = [...document.querySelectorAll("a[data-result]")];

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
  const here = document.activeElement;
  const place = results.indexOf(here);
  if (event.key === "/" && box && !here?.matches("input, textarea, select")) {
    box.focus();
    box.select();
  } else if (event.key === "ArrowDown" && results.length && (place >= 0 || here === box || here === document.body)) {
    results[Math.min(place + 1, results.length - 1)].focus();
  } else if (event.key === "ArrowUp" && place >= 0) {
    (place ? results[place - 1] : box).focus();
  } else {
    return;
  }
  event.preventDefault();
});

// The clipboard is there only where the browser trusts the address: localhost, or https.
if (navigator.clipboard) {
  for (const button of document.querySelectorAll("button.copy")) {
    const label = button.textContent;
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(button.dataset.copy);
        button.textContent = "Copied";
      } catch {
        button.textContent = "Not allowed";
      }
      setTimeout(() => { button.textContent = label; }, 1500);
    });
  }
}

// An empty field asks for nothing: leave it out of the address.
document.querySelector("form[role=search]")?.addEventListener("formdata", (event) => {
  for (const [name, value] of [...event.formData]) {
    if (name !== "q" && value === "") event.formData.delete(name);
  }
});
