// <script async src="https://HOST/leadheat.js" data-key="WRITE_KEY"></script>
// Nothing is stored before leadheat.consent(true).
(() => {
  const d = document, l = location, me = d.currentScript, to = new URL("/v1/batch", me.src);
  const random = () => crypto.getRandomValues(new BigUint64Array(2)).join("");
  const keep = (id, s) => (d.cookie = `_lh=${id};path=/;max-age=${s};SameSite=Lax`);
  let anonymousId = (d.cookie.match(/(?:^|; )_lh=(\w+)/) || [])[1] || random();
  let userId, view, seen, since, sent, timer;

  function send(type, more) {
    const campaign = {}, timestamp = new Date();
    for (const [k, v] of new URLSearchParams(l.search))
      if (/^utm_(source|medium|campaign)$/.test(k)) campaign[k == "utm_campaign" ? "name" : k.slice(4)] = v;
    const page = { path: l.pathname, url: l.href, title: d.title, referrer: d.referrer };
    const message = { type, messageId: random(), anonymousId, userId, timestamp, context: { campaign, page }, ...more };
    const body = JSON.stringify({ writeKey: me.dataset.key, sentAt: timestamp, batch: [message] });
    if (!navigator.sendBeacon(to, body)) fetch(to, { method: "POST", body, keepalive: true }).catch(() => 0);
  }
  const track = (event, properties = {}) => send("track", { event, properties });
  const told = () => ({
    path: view.pathname,
    url: view.href,
    seconds: Math.round((seen + (since && Date.now() - since)) / 1000),
  });

  // Told after 5 seconds in sight, or when left.
  function tell() {
    if (sent) return;
    sent = 1;
    send("page", { properties: told() });
  }
  function look() {
    clearTimeout(timer);
    if (d.visibilityState == "visible") {
      since = since || Date.now();
      timer = setTimeout(tell, Math.max(0, 5000 - seen));
    } else if (since) {
      seen += Date.now() - since;
      since = 0;
    }
  }
  function leave() {
    if (!view) return;
    if (sent) track("Page Left", told());
    tell();
    view = 0;
  }
  function page() {
    leave();
    view = new URL(l);
    seen = since = sent = 0;
    look();
  }
  const moved = () => view.pathname != l.pathname && page();

  for (const k of ["pushState", "replaceState"]) {
    const was = history[k];
    history[k] = (...a) => (was.apply(history, a), moved());
  }
  addEventListener("popstate", moved);
  addEventListener("pagehide", leave);
  addEventListener("pageshow", (e) => e.persisted && page());
  addEventListener("visibilitychange", look);
  addEventListener("submit", ({ target: f }) => {
    const email = f.querySelector("input[type=email]")?.value;
    if (email) send("identify", { traits: { email } });
    track("Form Submitted", { form: f.dataset.leadheat || f.id || f.getAttribute("name") || "", path: l.pathname });
  }, true);

  window.leadheat = {
    track,
    page,
    identify: (id, traits = {}) => send("identify", { userId: (userId = id), traits }),
    consent(yes) {
      if (yes) return keep(anonymousId, 15552e3);
      keep("", 0);
      track("Consent Withdrawn");
      anonymousId = random();
    },
  };
  page();
})();
