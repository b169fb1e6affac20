// The turns of the conversation: copy code, show a picture large, keep the newest line in view.

async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = document.createElement("textarea"); // there is no clipboard without https beyond this machine
  field.value = text;
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}

element.addEventListener("click", async (event) => {
  const shown = event.target.closest(".vg-show");
  if (shown) document.dispatchEvent(new CustomEvent("vg-show", { detail: shown.dataset.show }));
  const said = event.target.closest(".vg-say");
  if (said) document.dispatchEvent(new CustomEvent("vg-say", { detail: said.textContent }));
  const copied = event.target.closest(".vg-copy");
  if (copied) {
    await copy(copied.parentElement.querySelector("code").textContent);
    copied.textContent = "Copied";
    setTimeout(() => (copied.textContent = "Copy"), 1500);
  }
});

// A new turn is brought into view, and so is what is added to it while its end was in view.
let turns = 0;
let following = true;
const last = () => element.querySelector(".vg-turn:last-child");
const follow = () => following && last()?.scrollIntoView({ block: "end" });
document.addEventListener("scroll", () => {
  const end = last()?.getBoundingClientRect().bottom;
  following = end === undefined || end < innerHeight + 80;
}, { capture: true, passive: true });
element.addEventListener("load", follow, true); // pictures take their room when they have come
new MutationObserver(() => {
  const now = element.querySelectorAll(".vg-turn").length;
  if (now > turns) following = true;
  turns = now;
  follow();
}).observe(element, { childList: true, subtree: true });
