// Where the viewer stands: azimuth from the front towards the patient's left, elevation, zoom and target.

import { Matrix4, OrthographicCamera, Vector3 } from "three";

const QUARTER = Math.PI / 2;
export const NAMED = {
  frontal: [0, 0],
  left: [QUARTER, 0],
  right: [-QUARTER, 0],
  inferior: [0, -QUARTER],
};
const CLOSEST = 12;
const FARTHEST = 0.6;
const DEPTH = 1000;

export class Eye {
  constructor() {
    Object.assign(this, { azimuth: 0, elevation: 0, zoom: 1, target: new Vector3() });
    this.camera = new OrthographicCamera();
    this.camera.matrixAutoUpdate = false;
  }

  copy(other) {
    Object.assign(this, { azimuth: other.azimuth, elevation: other.elevation, zoom: other.zoom });
    this.target.copy(other.target);
  }

  turn(right, up) {
    this.azimuth = Math.atan2(Math.sin(this.azimuth + right), Math.cos(this.azimuth + right));
    this.elevation = Math.min(QUARTER, Math.max(-QUARTER, this.elevation + up));
  }

  nearer(factor) {
    this.zoom = Math.min(CLOSEST, Math.max(FARTHEST, this.zoom * factor));
  }

  // Right, up and backward directions of the picture.
  basis() {
    const [sa, ca, se, ce] = [Math.sin(this.azimuth), Math.cos(this.azimuth), Math.sin(this.elevation), Math.cos(this.elevation)];
    return {
      right: new Vector3(ca, sa, 0),
      up: new Vector3(-sa * se, ca * se, ce),
      back: new Vector3(sa * ce, -ca * ce, se),
    };
  }

  // Aim the camera at `centre` + target; `radius` [mm] fits the smaller side of a picture at zoom 1.
  aim(centre, radius, aspect) {
    const { right, up, back } = this.basis();
    const half = radius / this.zoom / Math.min(1, aspect);
    const { camera } = this;
    Object.assign(camera, { left: -half * aspect, right: half * aspect, top: half, bottom: -half, near: 0, far: 2 * DEPTH });
    const place = new Vector3().copy(centre).add(this.target).addScaledVector(back, DEPTH);
    camera.matrix.copy(new Matrix4().makeBasis(right, up, back)).setPosition(place);
    camera.matrixWorld.copy(camera.matrix);
    camera.matrixWorldInverse.copy(camera.matrix).invert();
    camera.updateProjectionMatrix();
    return 2 * half; // height of the picture [mm]
  }
}

// Letters of the directions at the right and upper edge; the opposite ones stand at the left and lower edge.
export function letters(eye) {
  const { right, up } = eye.basis();
  const name = (v) => {
    const axes = [["x", v.x], ["y", v.y], ["z", v.z]].sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]));
    return { x: ["left", "right"], y: ["posterior", "anterior"], z: ["superior", "inferior"] }[axes[0][0]][axes[0][1] > 0 ? 0 : 1];
  };
  return { right: name(right), left: name(right.clone().negate()), top: name(up), bottom: name(up.clone().negate()) };
}
