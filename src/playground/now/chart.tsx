import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import type { Sample, Statistics } from './statistics.ts';
import { useIsDark } from './use-is-dark.ts';

/** One series of a chart. */
export interface Line {
  label: string;
  /** Name of a custom property in playground.css: `--line-1`. */
  color: string;
  value: (statistics: Statistics) => number | null;
}

interface ChartProps {
  label: string;
  samples: readonly Sample[];
  lines: readonly Line[];
}

const HEIGHT = 92;
const WINDOW_SECONDS = 300;

/** Line chart of the last five minutes. Fills the width of its container. */
export function Chart({ label, samples, lines }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(null);
  // Recreates the chart when the theme changes, because a canvas does not follow CSS colors.
  const isDark = useIsDark();
  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const made = new uPlot(optionsFor(element, lines), [[], ...lines.map(() => [])], element);
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [lines, isDark]);
  useEffect(() => {
    plot.current?.setData(dataOf(samples, lines));
  }, [samples, lines, isDark]);
  return <div ref={place} className="chart" role="img" aria-label={label} />;
}

function dataOf(samples: readonly Sample[], lines: readonly Line[]): uPlot.AlignedData {
  const values = (line: Line) =>
    samples.map(({ statistics }) => (statistics === null ? null : line.value(statistics)));
  return [samples.map(({ at }) => at), ...lines.map(values)];
}

function optionsFor(element: HTMLElement, lines: readonly Line[]): uPlot.Options {
  const style = getComputedStyle(element);
  const color = (name: string) => style.getPropertyValue(name).trim();
  const axis = {
    stroke: color('--chart-text'),
    font: '11px system-ui, sans-serif',
    grid: { stroke: color('--chart-grid'), width: 1 },
    ticks: { show: false },
  } satisfies uPlot.Axis;
  return {
    width: element.clientWidth,
    height: HEIGHT,
    padding: [8, 4, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 6 } },
    scales: {
      x: { time: true, range: (_plot, _from, to) => [to - WINDOW_SECONDS, to] },
      // Starts at zero and spans at least one unit.
      y: { range: (_plot, _from, to) => [0, Math.max(1, to ?? 0) * 1.1] },
    },
    axes: [
      { ...axis, size: 22, space: 70, values: (_plot, times) => times.map(timeOfDay) },
      { ...axis, size: 30, space: 26, incrs: WHOLE },
    ],
    series: [
      {},
      ...lines.map(
        ({ label, color: name }): uPlot.Series => ({
          label,
          stroke: color(name),
          width: 1.6,
          points: { show: false },
          ...(lines.length === 1 && { fill: `color-mix(in srgb, ${color(name)} 15%, transparent)` }),
        }),
      ),
    ],
  };
}

const WHOLE = [1, 2, 5]
  .flatMap((digit) => [0, 1, 2, 3, 4, 5, 6].map((zeros) => digit * 10 ** zeros))
  .sort((a, b) => a - b);

const timeOfDay = (seconds: number) =>
  new Date(seconds * 1_000).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', hour12: false });
