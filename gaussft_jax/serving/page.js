const AT_ONCE = 2;
const byId = id => document.getElementById(id);
const drop = byId("drop"), files = byId("files"), slider = byId("alpha"), zoom = byId("zoom");
const rates = slider ? JSON.parse(byId("rates").textContent) : [];
const waiting = [], judged = [];
let running = 0;

const number = x => x.toPrecision(x < 1e4 ? 4 : 6).replace(/e.*/, "");
const percent = x => `${Number((100 * x).toPrecision(2))} %`;
const alpha = () => rates[slider.value];

function decide() {
  const done = judged.filter(({answer}) => answer);
  let text = `${done.length} of ${judged.length} judged`;
  if (slider) {
    byId("rate").textContent = percent(alpha());
    slider.setAttribute("aria-valuetext", percent(alpha()));
    let defective = 0;
    for (const {card, answer} of done) {
      const is = answer.p_value <= alpha();
      const badge = card.querySelector(".decision");
      badge.textContent = is ? "defective" : "good";
      badge.className = `decision ${is ? "defect" : "good"}`;
      defective += is;
    }
    text += `, ${defective} defective`;
  }
  byId("summary").textContent = text;
}

async function ask(file) {
  const most = files.dataset.megabytes;  // a server that refuses hangs up, and is not heard
  if (file.size > 1e6 * most) return {error: `larger than ${Number(most)} MB`};
  const form = new FormData();
  form.append("images", file);
  try {
    const response = await fetch("judge", {method: "POST", body: form});
    const answer = await response.json();
    return answer.error ? answer : answer.images[0];
  } catch {
    return {error: "the server did not answer"};
  }
}

function show(entry, answer) {
  const {card} = entry, text = card.querySelector(".figures");
  if (answer.error) {
    card.classList.add("failed");
    text.textContent = answer.error;
    return;
  }
  entry.answer = {p_value: answer.p_value};
  const image = card.querySelector("img");
  image.width = answer.width;
  image.height = answer.height;
  image.alt = `Heatmap of ${answer.name}`;
  image.src = answer.heatmap;
  card.querySelector(".picture").hidden = false;
  text.textContent = `score ${number(answer.score)}`;
  if (slider) text.textContent += `, p-value ${number(answer.p_value)}`;
  const link = document.createElement("a");
  link.href = answer.heatmap;
  link.download = `heatmap of ${answer.name}.png`;
  link.textContent = `heatmap of ${answer.width} × ${answer.height} px`;
  text.append(", ", link);
}

async function work() {
  if (running === AT_ONCE) return;
  running++;
  for (let entry; (entry = waiting.shift());) {
    show(entry, await ask(entry.file));
    delete entry.file;
    decide();
  }
  running--;
}

function add(list) {
  const added = Array.from(list, file => {
    const card = byId("card").content.firstElementChild.cloneNode(true);
    card.querySelector(".name").textContent = file.name;
    return {file, card};
  });
  byId("judged").prepend(...added.map(({card}) => card));
  judged.push(...added);
  waiting.push(...added);
  for (const _ of added) work();
  byId("results").hidden = !judged.length;
  decide();
}

files.addEventListener("change", () => {
  add(files.files);
  files.value = "";
});
// Anywhere: a photograph dropped beside would otherwise take the place of the page.
for (const kind of ["dragover", "dragleave", "drop"])
  addEventListener(kind, event => {
    event.preventDefault();
    drop.classList.toggle("over", kind === "dragover");
  });
addEventListener("drop", event => add(event.dataTransfer.files));
byId("judged").addEventListener("click", event => {
  const button = event.target.closest(".picture");
  if (!button) return;
  const image = button.querySelector("img").cloneNode();
  zoom.replaceChildren(image);
  zoom.showModal();
});
zoom.addEventListener("click", () => zoom.close());
if (slider) slider.addEventListener("input", decide);
decide();
