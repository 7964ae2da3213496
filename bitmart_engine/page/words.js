// Every word of the page, in English and French. `t` fills in {names}; what is missing in French is said in English.

const EN = {
  lang: "Language", theme: "Theme", theme_auto: "System", theme_light: "Light", theme_dark: "Dark", utc: "UTC", local: "local",
  green: "All is well", amber: "Look at this", red: "Act now", since: "since {when}", connecting: "Connecting",
  asking: "Asking the engine", token_title: "Token of the control API", token_why: "The engine asks for its CTRL_TOKEN. It is kept in this tab only, until it is closed.",
  token_label: "Token", token_enter: "Enter", token_wrong: "This token was refused.", forget: "Forget the token", not_allowed: "The engine does not serve this browser",
  mode_live: "LIVE", mode_demo: "DEMO", mode_paper: "PAPER", uptime: "up {d}", version: "version {v}", data_age: "data {s} s old", data_fresh: "data fresh",
  exposure: "Exposure", symbol: "Symbol", side: "Side", size: "Size", held: "Held", covered: "Covered", uncovered: "Uncovered", entry: "Entry", liquidation: "Liquidation",
  long: "long", short: "short", nothing_held: "Nothing is held.", held_unknown: "What is held is not known yet.", risk: "Distance to stop", balance: "Available", unit: "contracts",
  chart: "Chart", no_chart: "No symbol is watched. Place an order, or watch one:", watch: "Watch", candle_time: "candle {when}", drag_hint: "Drag a stop or a target to move it, or use Move in the list of protections.",
  price: "Price", stale: "stale", zone: "zone", stop: "stop", target: "target", entry_line: "entry", closed_at: "closed",
  protections: "Protections", no_protections: "No protection is kept.", state: "State", kept_by: "Stop kept by", both: "engine and exchange", engine: "engine only", engine_at: "engine; exchange at {price}", waits: "once it fills", nobody: "nobody", no_stop: "no stop",
  stop_loss: "Stop", take_profit: "Target", actions: "Actions", move: "Move", close: "Close", cancel: "Cancel", more: "ended ({n})",
  orders: "Orders", no_orders: "No order waits or rests.", zone_range: "Zone", filled: "Filled", when: "When", reason: "Reason", id: "Id", metadata: "Metadata",
  connections: "Connections", last_message: "Last message", reconnects: "Reconnects", channels: "Channels", last_error: "Last error", none: "none", name: "Name", from_when: "Since", s_ago: "{s} s ago",
  outbox: "Outbox", outbox_counts: "{owed} owed, {dead} given up, {delivered} delivered since the start", why: "Why", retry: "Send again", attempts: "Attempts", kind: "Kind", nothing_owed: "Nothing is owed or given up.",
  events: "Events", no_events: "Nothing has happened since this page was opened.", missed: "{n} events were missed; everything was read again", dropped: "Dropped, retried, given up", counted: "Counted",
  trades: "Trades", naked: "Without a stop", latency: "Latency", health: "What is wrong", kept: "Stops kept by", v_both: "both", v_engine: "the engine", v_exchange: "the exchange", v_nobody: "nobody", v_now_s: "now", v_longest_s: "the longest", v_sum_s: "in all since the start", summary: "Summary", not_available: "This engine does not tell it.",
  place: "Place an order", place_verb: "Place", stop_engine: "Stop the engine", pause: "Pause entries", resume: "Resume entries", field_id: "Id", field_symbol: "Symbol", field_side: "Side", field_min: "Zone from", field_max: "Zone to", field_size: "Size (contracts)",
  field_stop: "Stop", field_target: "Target", field_leverage: "Leverage", field_timeout: "Give up after (s)", preview: "Preview", preview_far: "{p} % from the price now to the zone", preview_in: "The price is in the zone now: the order goes out at once",
  preview_stop: "stop {p} % from the zone's middle", preview_target: "target {p} %", preview_ratio: "reward to risk {r}", preview_none: "Fill in the zone and the size.", no_price: "no price of {symbol} is known here", preview_no_stop: "There is no stop: nothing ends a loss.",
  will_place: "An order for {size} contracts of {symbol}, {side}, goes out when the price enters {min} to {max}. Stop {stop}, target {target}.",
  will_cancel: "Order {id} is cancelled, here and at the exchange. What has filled stays, and stays protected.",
  will_move: "The {what} of {id} moves from {from} to {to}. {where}", where_tight: "A tighter stop is kept by the engine; the one at the exchange stays where it was.",
  will_close: "{size} contracts of {symbol} {side} ({id}) are closed at the market, now.", will_stop: "The engine stops. No order goes out and no stop of the engine acts until it is started again. {n} protections have a stop that only the engine keeps.",
  will_pause: "No order that waits for its zone goes out until you resume, also after a restart. What rests at the exchange stays there. Stops and targets are watched on.", will_resume: "Orders that wait go out again; those whose zone the price is in, at once.", r_paused: "Entries are paused",
  will_retry: "Notification {id} is owed again and sent.", yes_place: "Place the order", yes_cancel: "Cancel the order", yes_move: "Move it", yes_close: "Close at the market", yes_stop: "Stop the engine", yes_pause: "Pause them", yes_resume: "Resume them", yes_retry: "Send again", back: "Back",
  new_level: "New price", too_old: "Refused: the data is {s} s old. Nothing was sent.", sending: "Asking", done: "Done: {what}", failed: "Refused: {why}", unknown_outcome: "No answer came. It may have been done: look at the lists before you try again.",
  not_a_price: "not a price", r_silent: "The engine has been silent for {s} s", r_ended: "The engine is stopping", r_journal: "Nothing can be promised: {why}", r_naked: "{symbol} {side}: {n} contracts held without a protection of the engine",
  r_unguarded: "Not guarded: {ids}", r_stale_stop: "{symbol} has a stop and no fresh price", r_unknown: "Order {id}: its outcome is not known", r_not_ready: "Not ready: {why}", r_dead: "{n} notifications were given up", r_no_account: "No account: prices only",
  r_skew: "The clock is {ms} ms off the exchange's", r_closing: "{id} has been closing for {s} s", r_foreign: "{n} orders at the exchange are not the engine's", r_nostop: "{id} holds a position and has no stop", charts_by: "Charts:", you_were: "Since you were last here ({when}): {n} ended, {m} lost a stop or target",
  skip: "Skip to the chart", held_by: "held", show: "show", symbol_placeholder: "BTCUSDT", timeframe: "Timeframe",
};

const FR = {
  lang: "Langue", theme: "Thème", theme_auto: "Système", theme_light: "Clair", theme_dark: "Sombre", local: "heure locale",
  green: "Tout va bien", amber: "À regarder", red: "Agir maintenant", since: "depuis {when}", connecting: "Connexion",
  asking: "Le moteur est interrogé", token_title: "Jeton de l’API de contrôle", token_why: "Le moteur demande son CTRL_TOKEN. Il reste dans cet onglet seulement, jusqu’à sa fermeture.",
  token_label: "Jeton", token_enter: "Entrer", token_wrong: "Ce jeton a été refusé.", forget: "Oublier le jeton", not_allowed: "Le moteur ne sert pas ce navigateur",
  mode_live: "RÉEL", mode_demo: "DÉMO", mode_paper: "SIMULÉ", uptime: "en marche {d}", version: "version {v}", data_age: "données de {s} s", data_fresh: "données à jour",
  exposure: "Exposition", symbol: "Symbole", side: "Sens", size: "Taille", held: "Détenu", covered: "Couvert", uncovered: "Découvert", entry: "Entrée", liquidation: "Liquidation",
  nothing_held: "Rien n’est détenu.", held_unknown: "Ce qui est détenu n’est pas encore connu.", risk: "Distance au stop", balance: "Disponible", unit: "contrats",
  chart: "Graphique", no_chart: "Aucun symbole n’est suivi. Placez un ordre, ou suivez-en un :", watch: "Suivre", candle_time: "bougie {when}", drag_hint: "Tirez un stop ou un objectif pour le déplacer, ou utilisez Déplacer dans la liste des protections.",
  price: "Prix", stale: "périmé", zone: "zone", target: "objectif", entry_line: "entrée", closed_at: "clôture",
  protections: "Protections", no_protections: "Aucune protection n’est tenue.", state: "État", kept_by: "Stop tenu par", both: "moteur et bourse", engine: "moteur seul", engine_at: "moteur ; bourse à {price}", waits: "dès l’exécution", nobody: "personne", no_stop: "sans stop",
  take_profit: "Objectif", actions: "Actions", move: "Déplacer", close: "Clôturer", cancel: "Annuler", more: "terminés ({n})",
  orders: "Ordres", no_orders: "Aucun ordre n’attend.", zone_range: "Zone", filled: "Exécuté", when: "Quand", reason: "Raison", id: "Id", metadata: "Métadonnées",
  connections: "Connexions", last_message: "Dernier message", reconnects: "Reconnexions", channels: "Canaux", last_error: "Dernière erreur", none: "aucune", name: "Nom", from_when: "Depuis", s_ago: "il y a {s} s",
  outbox: "Envois", outbox_counts: "{owed} dus, {dead} abandonnés, {delivered} livrés depuis le départ", why: "Pourquoi", retry: "Renvoyer", attempts: "Essais", kind: "Genre", nothing_owed: "Rien n’est dû ni abandonné.",
  events: "Événements", no_events: "Rien ne s’est passé depuis l’ouverture de cette page.", missed: "{n} événements ont été manqués ; tout a été relu", dropped: "Écarté, retenté, abandonné", counted: "Compté",
  trades: "Opérations", naked: "Sans stop", latency: "Latence", health: "Ce qui ne va pas", kept: "Stops gardés par", v_both: "les deux", v_engine: "le moteur", v_exchange: "la bourse", v_nobody: "personne", v_now_s: "maintenant", v_longest_s: "le plus long", v_sum_s: "en tout depuis le départ", summary: "Résumé", not_available: "Ce moteur ne le dit pas.",
  place: "Placer un ordre", place_verb: "Placer", stop_engine: "Arrêter le moteur", pause: "Suspendre les entrées", resume: "Reprendre les entrées", field_symbol: "Symbole", field_side: "Sens", field_min: "Zone de", field_max: "Zone à", field_size: "Taille (contrats)",
  field_target: "Objectif", field_leverage: "Levier", field_timeout: "Abandonner après (s)", preview: "Aperçu", preview_far: "{p} % du prix actuel à la zone", preview_in: "Le prix est dans la zone : l’ordre part aussitôt",
  preview_stop: "stop à {p} % du milieu de la zone", preview_target: "objectif à {p} %", preview_ratio: "gain sur risque {r}", preview_none: "Indiquez la zone et la taille.", no_price: "aucun prix de {symbol} n’est connu ici", preview_no_stop: "Il n’y a pas de stop : rien n’arrête une perte.",
  will_place: "Un ordre de {size} contrats de {symbol}, {side}, part quand le prix entre entre {min} et {max}. Stop {stop}, objectif {target}.",
  will_cancel: "L’ordre {id} est annulé, ici et à la bourse. Ce qui est exécuté reste, et reste protégé.",
  will_move: "Le niveau « {what} » de {id} passe de {from} à {to}. {where}", where_tight: "Un stop plus serré est tenu par le moteur ; celui de la bourse reste où il était.",
  will_close: "{size} contrats de {symbol} {side} ({id}) sont clôturés au marché, maintenant.", will_stop: "Le moteur s’arrête. Aucun ordre ne part et aucun stop du moteur n’agit avant son redémarrage. {n} protections ont un stop que le moteur seul tient.",
  will_pause: "Aucun ordre en attente de sa zone ne part avant la reprise, même après un redémarrage. Ce qui repose à la bourse y reste. Stops et objectifs restent surveillés.", will_resume: "Les ordres en attente repartent ; ceux dont le prix est dans la zone, aussitôt.", r_paused: "Les entrées sont suspendues",
  will_retry: "La notification {id} est due à nouveau et envoyée.", yes_place: "Placer l’ordre", yes_cancel: "Annuler l’ordre", yes_move: "Déplacer", yes_close: "Clôturer au marché", yes_stop: "Arrêter le moteur", yes_pause: "Suspendre", yes_resume: "Reprendre", yes_retry: "Renvoyer", back: "Retour",
  new_level: "Nouveau prix", too_old: "Refusé : les données ont {s} s. Rien n’a été envoyé.", sending: "En cours", done: "Fait : {what}", failed: "Refusé : {why}", unknown_outcome: "Aucune réponse. C’est peut-être fait : regardez les listes avant de réessayer.",
  not_a_price: "n’est pas un prix", r_silent: "Le moteur se tait depuis {s} s", r_ended: "Le moteur s’arrête", r_journal: "Rien ne peut être promis : {why}", r_naked: "{symbol} {side} : {n} contrats détenus sans protection du moteur",
  r_unguarded: "Sans garde : {ids}", r_stale_stop: "{symbol} a un stop et aucun prix récent", r_unknown: "Ordre {id} : son issue n’est pas connue", r_not_ready: "Pas prêt : {why}", r_dead: "{n} notifications ont été abandonnées", r_no_account: "Sans compte : prix seulement",
  r_skew: "L’horloge s’écarte de {ms} ms de celle de la bourse", r_closing: "{id} se clôture depuis {s} s", r_foreign: "{n} ordres à la bourse ne sont pas du moteur", r_nostop: "{id} tient une position et n’a pas de stop", charts_by: "Graphiques :", skip: "Aller au graphique", show: "voir", timeframe: "Unité de temps",
};

const LANGUAGES = { en: EN, fr: FR };
export const NAMES = { en: "English", fr: "Français" };
let chosen = localStorage.getItem("bitmart-engine language");
if (!(chosen in LANGUAGES)) chosen = (navigator.language ?? "en").toLowerCase().startsWith("fr") ? "fr" : "en";

export const language = () => chosen;

export function speak(name) {
  if (!(name in LANGUAGES)) return;
  chosen = name;
  localStorage.setItem("bitmart-engine language", name);
  document.documentElement.lang = name;
}

export function t(key, values = {}) {
  const text = LANGUAGES[chosen][key] ?? EN[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}
