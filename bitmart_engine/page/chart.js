// The chart of one symbol: candles, and the levels of orders and protections, of which stops and targets can be dragged.
import { CandlestickSeries, LineStyle, createChart, createSeriesMarkers } from "./vendor/lightweight-charts.js";
import { decimals } from "./format.js";
import { t } from "./words.js";

const NEAR_PX = 7;
const MARKS = 200;

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

function shapeOf({ price, kind, buys }) {
  if (price !== undefined) return { position: "atPriceMiddle", price: +price, shape: "square", size: 0.5, color: colour(kind) };
  return { position: buys ? "belowBar" : "aboveBar", shape: buys ? "arrowUp" : "arrowDown", color: colour(buys ? "up" : "down") };
}

export class Chart {
  // `moved(protection, field, price)` is called with a level's new price, as text, once it is let go.
  constructor(element, moved) {
    this._element = element;
    this._moved = moved;
    this._lines = [];
    this._dragged = null;
    this._digits = 2;
    this._chart = createChart(element, {
      autoSize: true,
      layout: { attributionLogo: false, fontFamily: "inherit", fontSize: 11 },
      timeScale: { timeVisible: true, secondsVisible: false, rightOffset: 8 },
      rightPriceScale: { borderVisible: false },
    });
    this._series = this._chart.addSeries(CandlestickSeries, { borderVisible: false });
    this._markers = createSeriesMarkers(this._series, []);
    this.recolour();
    element.addEventListener("pointerdown", (event) => this._take(event), true);
    element.addEventListener("pointermove", (event) => this._move(event), true);
    element.addEventListener("pointerup", (event) => this._letGo(event), true);
    element.addEventListener("pointercancel", () => this._leave(), true);
    this._key = (event) => event.key === "Escape" && this._leave();
    document.addEventListener("keydown", this._key);
  }

  remove() {
    document.removeEventListener("keydown", this._key);
    this._chart.remove();
  }

  recolour() {
    const [up, down, line, text] = ["up", "down", "line", "muted"].map(colour);
    this._chart.applyOptions({
      layout: { background: { type: "solid", color: colour("panel") }, textColor: text },
      grid: { vertLines: { color: line }, horzLines: { color: line } },
      timeScale: { borderColor: line },
    });
    this._series.applyOptions({ upColor: up, downColor: down, wickUpColor: up, wickDownColor: down });
  }

  candles(bars, price) {
    this._digits = Math.max(1, ...[price, ...bars.slice(-50).map((bar) => bar.close)].map((each) => decimals(each ?? "")));
    this._series.applyOptions({ priceFormat: { type: "price", precision: this._digits, minMove: 10 ** -this._digits } });
    this._series.setData(bars);
    this._chart.timeScale().scrollToRealTime();
  }

  candle(bar) {
    this._series.update(bar);
  }

  // `levels`: [{price, kind, title, dashed, protection?, field?}]; those with a field can be dragged.
  levels(levels) {
    if (this._dragged) return;
    const asked = JSON.stringify(levels.map((each) => [each.price, each.kind, each.title]));
    const shown = [...new Set(levels.map((each) => +each.price))];
    this._series.applyOptions({
      autoscaleInfoProvider: (usual) => {
        const found = usual();
        if (!found?.priceRange) return found;
        const { minValue, maxValue } = found.priceRange;
        const room = Math.max(maxValue - minValue, maxValue * 0.004) * 3;
        const near = shown.filter((price) => price > minValue - room && price < maxValue + room);
        return { ...found, priceRange: { minValue: Math.min(minValue, ...near), maxValue: Math.max(maxValue, ...near) } };
      },
    });
    if (asked === this._asked) {
      this._lines.forEach((each, index) => (each.level = levels[index]));
      return;
    }
    this._asked = asked;
    this._lines.forEach((each) => this._series.removePriceLine(each.line));
    this._lines = levels.map((level) => ({
      level,
      line: this._series.createPriceLine({
        price: +level.price,
        color: colour(level.kind),
        lineWidth: level.field ? 2 : 1,
        lineStyle: level.dashed ? LineStyle.Dashed : LineStyle.Solid,
        title: level.title,
      }),
    }));
  }

  // `marks`: [{time, text, buys}] below or above a candle, or [{time, text, price, kind}] at a price.
  marks(marks) {
    const [first, last] = [this._series.data()[0]?.time ?? Infinity, this._series.data().at(-1)?.time ?? 0];
    const shown = marks.filter((each) => each.time >= first && each.time <= last).sort((a, b) => a.time - b.time);
    const asked = JSON.stringify(shown);
    if (asked === this._marked) return;
    this._marked = asked;
    this._markers.setMarkers(shown.slice(-MARKS).map((each) => ({ time: each.time, text: each.text, ...shapeOf(each) })));
  }

  // Where a price is on the screen, in CSS pixels from the top of the chart; for tests and for the keyboard.
  heightOf(price) {
    return this._series.priceToCoordinate(+price);
  }

  // How many levels, and how many marks, are drawn.
  get lines() {
    return this._lines.length;
  }

  get marked() {
    return this._markers.markers().length;
  }

  get texts() {
    return this._markers.markers().map((each) => each.text);
  }

  _at(event) {
    return event.clientY - this._element.getBoundingClientRect().top;
  }

  _near(event) {
    const y = this._at(event);
    const apart = (each) => Math.abs((this._series.priceToCoordinate(+each.level.price) ?? Infinity) - y);
    const [closest] = this._lines.filter((each) => each.level.field && apart(each) <= NEAR_PX).sort((a, b) => apart(a) - apart(b));
    return closest ?? null;
  }

  _take(event) {
    if (event.button !== 0 || !event.isPrimary) return;
    const found = this._near(event);
    if (!found) return;
    event.preventDefault();
    event.stopPropagation();
    this._element.setPointerCapture(event.pointerId);
    this._chart.applyOptions({ handleScroll: false, handleScale: false });
    this._dragged = { ...found, price: null };
  }

  _move(event) {
    if (!this._dragged) {
      this._element.classList.toggle("grab", this._near(event) !== null);
      return;
    }
    event.stopPropagation();
    const price = this._series.coordinateToPrice(this._at(event));
    if (price === null || price <= 0) return;
    this._dragged.price = price.toFixed(this._digits);
    this._dragged.line.applyOptions({ price, title: `${this._dragged.level.title} → ${t("move")}` });
  }

  _letGo(event) {
    if (!this._dragged) return;
    event.stopPropagation();
    const { level, price } = this._dragged;
    this._leave();
    if (price !== null && Number(price) !== Number(level.price)) this._moved(level.protection, level.field, price);
  }

  // The line goes back to where the engine has it; only the engine's word moves it.
  _leave() {
    if (!this._dragged) return;
    const { level, line } = this._dragged;
    line.applyOptions({ price: +level.price, title: level.title });
    this._chart.applyOptions({ handleScroll: true, handleScale: true });
    this._dragged = null;
  }
}
