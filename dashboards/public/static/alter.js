/* Says so when the program that draws these pages has stopped: an open page cannot know otherwise. */
(function () {
  "use strict";
  var root = document.documentElement;
  var drawn = Date.parse(root.dataset.drawn), limit = Number(root.dataset.limit) * 1000;
  if (!limit) { return; }
  function check() {
    if (Date.now() - drawn < limit) { return; }
    root.classList.add("ueberholt");
    document.getElementById("veraltet").hidden = false;
  }
  check();
  window.setInterval(check, 30000);
})();
