// Draws the charts of a report: each <figure class="chart"> holds a canvas and its data as JSON
// (html_page.c says what is in it). Colours come from the page's style, so that light, dark and
// paper are chosen there alone.
(() => {
  "use strict";
  const color = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const colors = () => Array.from({ length: 8 }, (_, i) => color("--c" + i));

  // Not Math.min(...all): two hours of seconds are too many arguments.
  const least = all => all.reduce((a, b) => Math.min(a, b));
  const most = all => all.reduce((a, b) => Math.max(a, b));

  function number(value) {
    const size = Math.abs(value);
    if (size >= 1e9) return +(value / 1e9).toPrecision(4) + " G";
    if (size >= 1e6) return +(value / 1e6).toPrecision(4) + " M";
    if (size >= 1e4) return Math.round(value).toLocaleString("en");
    return String(+value.toPrecision(4));
  }

  // 1/(1-p) to "99.9 %"; beyond the six decimals of a rank there is only the maximum.
  function percent(x) {
    const rest = 100 / x;
    return +(100 - rest).toFixed(Math.max(0, Math.ceil(-Math.log10(rest) + 0.001))) + " %";
  }

  // Phases lie under the lines, their names along the top.
  const bands = {
    id: "bands",
    beforeDatasetsDraw(chart, _, options) {
      const { ctx, chartArea: area, scales: { x } } = chart;
      ctx.save();
      ctx.font = "11px " + Chart.defaults.font.family;
      ctx.textBaseline = "top";
      let free = area.left;
      for (const band of options.list || []) {
        const from = Math.max(area.left, x.getPixelForValue(band.from));
        const to = Math.min(area.right, x.getPixelForValue(band.to));
        if (to <= from) continue;
        ctx.fillStyle = color(band.measured ? "--band-measured" : "--band");
        ctx.fillRect(from, area.top, to - from, area.bottom - area.top);
        ctx.fillStyle = color("--line");
        ctx.fillRect(from, area.top, 1, area.bottom - area.top);
        const width = ctx.measureText(band.name).width;
        if (from + 4 >= free && from + 4 + width <= to) {
          ctx.fillStyle = color("--soft");
          ctx.fillText(band.name, from + 4, area.top + 3);
          free = from + 4 + width;
        }
      }
      ctx.restore();
    },
  };

  function scale(type, label, position) {
    const options = {
      type: type === "linear" ? "linear" : "logarithmic",
      position,
      title: { display: label !== "", text: label },
      grid: { color: color("--grid"), borderColor: color("--line"), drawOnChartArea: position !== "right" },
      ticks: { maxRotation: 0, autoSkipPadding: 18, includeBounds: false, callback: number },
    };
    if (type === "logarithmic")
      options.ticks.callback = value => /^[125]e/.test(value.toExponential()) ? number(value) : null;
    if (type === "percentile") {
      options.min = 1;
      options.afterBuildTicks = axis => {
        axis.ticks = [1];
        for (let x = 2; x <= axis.max * 1.0001; x = x === 2 ? 10 : x * 10) axis.ticks.push(x);
        axis.ticks = axis.ticks.map(value => ({ value }));
      };
      options.ticks.callback = percent;
    }
    if (type === "linear" && position !== "bottom") Object.assign(options, { beginAtZero: true, grace: "4%" });
    return options;
  }

  function datasets(data) {
    const palette = colors();
    return data.series.map((series, i) => ({
      label: series.name,
      data: series.x.map((x, k) => ({ x, y: series.y[k] })),
      yAxisID: series.right ? "right" : "y",
      borderColor: palette[i % 8],
      backgroundColor: palette[i % 8] + "26",
      fill: series.filled ? "origin" : false,
      stepped: series.stepped ? "before" : false,
      borderDash: series.right ? [6, 3] : i >= 8 ? [2, 2] : [], // colours come round after eight
      borderWidth: series.x.length > 600 ? 1 : 2,
      pointRadius: series.x.length === 1 ? 3 : 0,
      pointHitRadius: 8,
    }));
  }

  function options(data) {
    const scales = { x: scale(data.xScale, data.xLabel, "bottom"), y: scale(data.yScale, data.yLabel, "left") };
    if (data.yScale === "logarithmic") {
      const all = data.series.flatMap(series => series.y).filter(y => y > 0);
      scales.y.min = least(all) / 1.2;
      scales.y.max = most(all) * 1.2;
    }
    if (data.xScale === "linear") {
      const all = data.series.flatMap(series => series.x);
      scales.x.min = least([...all, ...data.bands.map(band => band.from)]);
      scales.x.max = most(all);
    }
    if (data.series.some(series => series.right)) scales.right = scale("linear", data.rightLabel, "right");
    return {
      animation: false,
      responsive: true,
      maintainAspectRatio: false,
      normalized: true,
      interaction: { mode: data.xScale === "linear" ? "index" : "nearest", axis: "x", intersect: false },
      scales,
      plugins: {
        bands: { list: data.bands },
        legend: { labels: { boxWidth: 14, boxHeight: 2, padding: 12 } },
        tooltip: {
          callbacks: {
            title: items => items.length === 0 ? "" : data.xScale === "percentile"
              ? percent(items[0].parsed.x) : number(items[0].parsed.x) + " " + data.xLabel,
            label: item => item.dataset.label + ": " + number(item.parsed.y),
          },
        },
      },
    };
  }

  const charts = [];
  function draw() {
    Chart.defaults.color = color("--soft");
    Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    for (const one of charts) {
      one.chart?.destroy();
      one.chart = new Chart(one.canvas, {
        type: "line", data: { datasets: datasets(one.data) }, options: options(one.data), plugins: [bands],
      });
    }
  }

  for (const figure of document.querySelectorAll("figure.chart"))
    charts.push({ canvas: figure.querySelector("canvas"), data: JSON.parse(figure.querySelector("script").textContent) });
  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  // Paper has its own colours, which the style knows only while it prints.
  matchMedia("print").addEventListener("change", draw);
})();
