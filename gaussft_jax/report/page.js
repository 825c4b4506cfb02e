const percent = (part, whole) => `${part} of ${whole} (${(100 * part / whole).toFixed(1)} %)`;
const slider = document.getElementById("alpha");
if (slider) {
  const judged = JSON.parse(document.getElementById("judged").textContent);
  const good = judged.filter(([, defective]) => !defective);
  const bad = judged.filter(([, defective]) => defective);
  const show = () => {
    const alpha = 10 ** slider.value;
    const alarms = images => images.filter(([p]) => p <= alpha).length;
    const words = [`${(100 * alpha).toPrecision(2)} %`];
    slider.setAttribute("aria-valuetext", words[0]);
    document.getElementById("rate").textContent = words[0];
    document.getElementById("alarms").textContent = percent(alarms(good), good.length);
    document.getElementById("missed").textContent = percent(bad.length - alarms(bad), bad.length);
    for (const badge of document.querySelectorAll("[data-p]"))
      badge.textContent = badge.dataset.p <= alpha ? "alarm" : "passes";
  };
  slider.addEventListener("input", show);
  show();
}
const zoom = document.getElementById("zoom");
for (const button of document.querySelectorAll(".panels button, .levels button"))
  button.addEventListener("click", () => {
    zoom.replaceChildren(button.querySelector("img").cloneNode());
    zoom.showModal();
  });
zoom.addEventListener("click", () => zoom.close());
