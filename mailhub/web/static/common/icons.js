// Small drawings for buttons: a path each, 24 by 24, so that no font has to have them.
const PATHS = /** @type {Record<string, string>} */ ({
  all: "M4 4h16v16H4z M8 12l3 3 5-6",
  archive: "M3 5h18v4H3z M5 9v10h14V9 M10 13h4",
  junk: "M12 3l9 16H3z M12 9v5 M12 16.5v.5",
  "not-junk": "M4 12l5 6L20 6",
  delete: "M5 7h14 M9 7V4h6v3 M7 7l1 13h8l1-13 M10 11v6 M14 11v6",
  unread: "M3 6h18v12H3z M3 7l9 6 9-6",
  read: "M3 10l9-6 9 6v9H3z M3 10l9 6 9-6",
  star: "M12 3.5l2.6 5.6 6 .7-4.500 4.100 1.200 6L12 17l-5.300 2.900 1.200-6-4.500-4.100 6-.7z",
  label: "M4 4h8l8 8-8 8-8-8z M8 8v.5",
  move: "M3 6h7l2 2h9v10H3z M10 13h6 M13 10l3 3-3 3",
  copy: "M8 8h12v12H8z M4 16V4h12",
  clip: "M17 7l-7.500 7.500a2 2 0 0 0 3 3L20 10a4 4 0 0 0-6-6l-8 8a6 6 0 0 0 8.500 8.500",
  answered: "M9 7L4 12l5 5 M4 12h9a6 6 0 0 1 6 6",
  close: "M6 6l12 12 M18 6L6 18",
  smaller: "M5 18h14",
  menu: "M4 7h16 M4 12h16 M4 17h16",
  back: "M14 6l-6 6 6 6",
});

/**
 * @param {string} name
 * @param {string} [label] what it says by itself, where no word stands beside it
 */
export function icon(name, label = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  made.setAttribute("viewBox", "0 0 24 24");
  made.setAttribute("class", `icon icon-${name}`);
  if (label) {
    made.setAttribute("role", "img");
    made.setAttribute("aria-label", label);
  } else made.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", PATHS[name] ?? "");
  made.append(path);
  return made;
}

/**
 * Put a drawing into each that asks for one by data-icon.
 * @param {ParentNode} within
 */
export function drawIcons(within) {
  for (const one of within.querySelectorAll("[data-icon]")) one.prepend(icon(one.getAttribute("data-icon") ?? ""));
}
