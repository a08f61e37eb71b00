;; A module as autograd.compiler.wasm makes them, by hand: small enough to know what each entry must
;; give. Where its arrays lie, module.json says.
;;   step: w += x, count += 1, loss = 10 * count; 0 and no write where a label in y is not below 3
;;   loop: step on the rows of images and labels that order names; loss of each step
;;   forward: out = exp(count)
;;   fail: stops the module
(module
  (import "env" "memory" (memory 2))
  (import "Math" "exp" (func $exp (param f64) (result f64)))
  (data (i32.const 512) "\00\00\20\41") ;; ten: 10, float32

  (func $step (export "step") (result i32)
    (local $i i32) (local $w i32) (local $x i32)
    (if (i32.ge_u (i32.load (i32.const 64)) (i32.const 3)) (then (return (i32.const 0))))
    (if (i32.ge_u (i32.load (i32.const 68)) (i32.const 3)) (then (return (i32.const 0))))
    (loop $entries ;; x[i / 3, i % 3], row-major; w column-major
      (local.set $x (i32.mul (i32.const 4) (local.get $i)))
      (local.set $w (i32.mul (i32.const 4)
        (i32.add (i32.div_u (local.get $i) (i32.const 3))
                 (i32.mul (i32.const 2) (i32.rem_u (local.get $i) (i32.const 3))))))
      (f32.store offset=128 (local.get $w)
        (f32.add (f32.load offset=128 (local.get $w)) (f32.load (local.get $x))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $entries (i32.lt_u (local.get $i) (i32.const 6))))
    (f64.store (i32.const 192) (f64.add (f64.load (i32.const 192)) (f64.const 1)))
    (f32.store (i32.const 256)
      (f32.mul (f32.load (i32.const 512)) (f32.demote_f64 (f64.load (i32.const 192)))))
    (i32.const 1))

  (func $row (param $to i32) (param $index i32) (result i32) ;; one row of images and of labels
    (local $i i32)
    (if (i32.ge_u (local.get $index) (i32.const 4)) (then (return (i32.const 0))))
    (loop $entries
      (f32.store (i32.add (i32.mul (i32.const 12) (local.get $to)) (i32.mul (i32.const 4) (local.get $i)))
        (f32.convert_i32_u (i32.load8_u offset=320
          (i32.add (i32.mul (i32.const 3) (local.get $index)) (local.get $i)))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $entries (i32.lt_u (local.get $i) (i32.const 3))))
    (i32.store offset=64 (i32.mul (i32.const 4) (local.get $to))
      (i32.load offset=384 (i32.mul (i32.const 4) (local.get $index))))
    (i32.const 1))

  (func (export "loop") (param $first i32) (param $count i32) (result i32)
    (local $done i32) (local $at i32)
    (block $end
      (loop $steps
        (br_if $end (i32.ge_u (local.get $done) (local.get $count)))
        (local.set $at (i32.mul (i32.const 8) (i32.add (local.get $first) (local.get $done))))
        (br_if $end (i32.eqz (call $row (i32.const 0) (i32.load offset=1024 (local.get $at)))))
        (br_if $end (i32.eqz (call $row (i32.const 1) (i32.load offset=1028 (local.get $at)))))
        (br_if $end (i32.eqz (call $step)))
        (f32.store offset=65536 (i32.div_u (local.get $at) (i32.const 2)) (f32.load (i32.const 256)))
        (local.set $done (i32.add (local.get $done) (i32.const 1)))
        (br $steps)))
    (local.get $done))

  (func (export "forward") (result i32)
    (f64.store (i32.const 576) (call $exp (f64.load (i32.const 192))))
    (i32.const 1))

  (func (export "fail") (result i32) (unreachable)))
