// @ts-check
// The drawing of the network: what a person points at is what is found, at any zoom, of any network;
// and a wide layer shows the strongest of its neurons.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as cameras from "../../../../viz/studio/page/network/camera.js";
import * as layouts from "../../../../viz/studio/page/network/layout.js";
import { between, whole } from "../../page/numbers.js";

const SHAPES = [[28, 28], [8, 8], [32, 32, 3], [5, 17], [50], [1]];

/** A network of any depth and width, drawn, and a camera somewhere over it. */
function somewhere() {
  const shape = SHAPES[whole(0, SHAPES.length - 1)];
  const widths = [...Array.from({ length: whole(0, 8) }, () => whole(1, 10 ** between(0, 3.61))), whole(2, 40)];
  const shown = widths.map((width) => layouts.strongest(Array.from({ length: width }, () => between(-1, 1))));
  const layout = layouts.layoutOf(shape, widths, shown);
  const { box } = layout;
  const camera = {
    x: between(box.left, box.left + box.width), y: between(box.top, box.top + box.height),
    zoom: 10 ** between(-1.5, 1.5), width: between(100, 2000), height: between(100, 1500),
  };
  return { shape, widths, shown, layout, camera: cameras.kept(camera, box) };
}

/** A neuron that is shown, or an entry of the image. @param {ReturnType<typeof somewhere>} drawing */
function some({ shape, shown }) {
  const layer = whole(0, shown.length);
  const size = shape.reduce((a, b) => a * b, 1);
  const neuron = layer ? shown[layer - 1][whole(0, shown[layer - 1].length - 1)] : whole(0, size - 1);
  return { layer, neuron };
}

test("a neuron is found at every pixel of its place, and nowhere else", () => {
  const drawings = Array.from({ length: 400 }, somewhere);
  for (let i = 0; i < 2000; i++) {
    const drawing = drawings[i % drawings.length];
    const { layout, camera } = drawing;
    const neuron = some(drawing);
    const place = layouts.rectangleOf(layout, neuron);
    assert.ok(place);
    const at = (/** @type {number} */ across, /** @type {number} */ along) => {
      const pixel = cameras.pixelOf(camera, place.left + across * place.width, place.top + along * place.height);
      return layouts.neuronAt(layout, ...cameras.placeAt(camera, ...pixel));
    };
    const [across, along] = [between(0.001, 0.999), between(0.001, 0.999)];
    assert.deepEqual(at(across, along), neuron);
    for (const outside of [at(-0.001, along), at(1.001, along), at(across, -0.001), at(across, 1.001)]) {
      assert.notDeepEqual(outside, neuron);
    }
  }
});

test("a finger beside a neuron takes the nearest one within its reach, and none beyond", () => {
  for (let i = 0; i < 2000; i++) {
    const { layout } = somewhere();
    const { left, width } = layout.columns[0];
    const [x, y, reach] = [between(left, left + width), between(layout.box.top, -layout.box.top), between(0, 12)];
    const neuron = layouts.nearestAt(layout, x, y, reach);
    assert.deepEqual(layouts.nearestAt(layout, x, y, 0), layouts.neuronAt(layout, x, y));
    const apart = layout.columns[0].neurons.map((neuron) => {
      const place = layouts.rectangleOf(layout, { layer: 1, neuron });
      return place ? Math.max(0, place.top - y, y - place.top - place.height) : Infinity;
    });
    const least = Math.min(...apart);
    if (least < reach) assert.deepEqual(neuron, { layer: 1, neuron: layout.columns[0].neurons[apart.indexOf(least)] });
    else assert.equal(neuron, null);
  }
});

test("whatever is at a pixel has it within its place", () => {
  let found = 0;
  const drawings = Array.from({ length: 400 }, somewhere);
  for (let i = 0; i < 8000; i++) {
    const { layout, camera } = drawings[i % drawings.length];
    const [x, y] = cameras.placeAt(camera, between(0, camera.width), between(0, camera.height));
    const neuron = layouts.neuronAt(layout, x, y);
    if (!neuron) continue;
    found += 1;
    const place = layouts.rectangleOf(layout, neuron);
    assert.ok(place && x >= place.left - 1e-9 && x <= place.left + place.width + 1e-9);
    assert.ok(y >= place.top - 1e-9 && y <= place.top + place.height + 1e-9);
  }
  assert.ok(found > 400, `only ${found}`);
});

test("no two neurons share a place, and all lie in the box", () => {
  for (let i = 0; i < 200; i++) {
    const { layout: { box, columns, image } } = somewhere();
    for (const { left, top, pitch, width, height, neurons } of columns) {
      assert.ok(height < pitch && left >= image.left + image.width);
      assert.ok(left + width < box.left + box.width && top > box.top);
      assert.ok(top + (neurons.length - 1) * pitch + height < box.top + box.height);
    }
    assert.ok(columns.every(({ left, width }, i) => !columns[i + 1] || left + width < columns[i + 1].left));
  }
});

test("what is under the pointer stays there while the zoom changes, and the zoom has ends", () => {
  for (let i = 0; i < 500; i++) {
    const { layout: { box }, camera } = somewhere();
    const place = /** @type {const} */ ([between(0, camera.width), between(0, camera.height)]);
    const [x, y] = cameras.placeAt(camera, ...place);
    const after = cameras.zoomed(camera, box, between(0.5, 2), ...place);
    const [to, down] = cameras.placeAt(after, ...place);
    const isInside = after.x > box.left && after.x < box.left + box.width && after.y > box.top &&
      after.y < box.top + box.height;
    if (isInside) assert.ok(Math.hypot(to - x, down - y) < 1e-6 * Math.max(1, 1 / after.zoom));
    const far = cameras.zoomed(camera, box, 1e-9, ...place);
    assert.ok(far.zoom * box.width >= Math.min(camera.width, camera.height * box.width / box.height) / 2 - 1e-6);
  }
});

test("all of it is seen from afar, and what is asked for comes into sight", () => {
  for (let i = 0; i < 500; i++) {
    const drawing = somewhere();
    const { layout, camera } = drawing;
    const all = cameras.whole(layout.box, camera.width, camera.height);
    const neuron = some(drawing);
    const place = layouts.rectangleOf(layout, neuron);
    assert.ok(place);
    for (const seen of [all, cameras.showing(camera, place)]) {
      const [left, top] = cameras.pixelOf(seen, place.left + place.width / 2, place.top + place.height / 2);
      assert.ok(left >= -1e-6 && left <= camera.width + 1e-6 && top >= -1e-6 && top <= camera.height + 1e-6);
    }
  }
});

test("of a wide layer the strongest are shown, whatever their sign, in the order of their numbers", () => {
  for (const width of [1, 31, 32, 33, 512, 4096]) {
    const values = Array.from({ length: width }, () => between(-1, 1));
    const must = whole(0, width - 1);
    for (const shown of [layouts.strongest(values), layouts.strongest(values, must)]) {
      assert.equal(shown.length, Math.min(width, layouts.SHOWN));
      assert.deepEqual(shown, [...new Set(shown)].sort((a, b) => a - b));
      const least = Math.min(...shown.filter((i) => i !== must).map((i) => Math.abs(values[i])));
      const left = values.filter((_, i) => !shown.includes(i) && i !== must);
      assert.ok(left.every((value) => Math.abs(value) <= least));
    }
    assert.ok(layouts.strongest(values, must).includes(must));
  }
  assert.deepEqual(layouts.strongest([NaN, 0, NaN]), [0, 1, 2]);
});

test("keys lead from any neuron to any column, and to the next one in it", () => {
  for (let i = 0; i < 200; i++) {
    const drawing = somewhere();
    const { layout, shown } = drawing;
    let at = some(drawing);
    for (let step = 0; step < 1000 && at.layer < shown.length; step++) at = layouts.beside(layout, at, 1, 0);
    assert.equal(at.layer, shown.length, "right leads to the classes");
    for (let step = 0; step <= shown.length; step++) at = layouts.beside(layout, at, -1, 0);
    assert.equal(at.layer, 0, "left leads to the image");
    const classes = shown[shown.length - 1];
    const first = { layer: shown.length, neuron: classes[0] };
    assert.equal(layouts.beside(layout, first, 0, 1).neuron, classes[1]);
    assert.deepEqual(layouts.beside(layout, first, 0, -1), first);
  }
});
