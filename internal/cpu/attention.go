package cpu

import "math"

// Heads describes the operands of causal self-attention: B sequences of T
// tokens, each token's query, key and value of C = heads·size features side by
// side in one row of 3C.
type Heads struct {
	B, T, C, Heads int
}

func (h Heads) size() int { return h.C / h.Heads }

// Probs is the number of attention probabilities: B·heads·T·T.
func (h Heads) Probs() int { return h.B * h.Heads * h.T * h.T }

// scale is 1/√size, so that the logits' variance does not grow with the size.
func (h Heads) scale() float64 { return 1 / math.Sqrt(float64(h.size())) }

// each calls f for every sequence and head with the offsets of its query in
// qkv, of its output, and of its probabilities.
func (h Heads) each(f func(qkv, out, probs int)) {
	for b := range h.B {
		for i := range h.Heads {
			f(b*h.T*3*h.C+i*h.size(), b*h.T*h.C+i*h.size(), (b*h.Heads+i)*h.T*h.T)
		}
	}
}

// CausalAttention is multi-head scaled dot-product attention (Vaswani et al.
// 2017) in which a token sees itself and those before it, a head at a time:
//
//	P = softmax(Q·Kᵀ/√size + causal mask)    Y = P·V
//
// probs keeps P, zero above the diagonal.
func CausalAttention[T Float](y, probs, qkv []T, h Heads) {
	h.each(func(q, o, p int) {
		k, v, ld := q+h.C, q+2*h.C, 3*h.C
		P := probs[p : p+h.T*h.T]
		Gemm(false, true, h.T, h.T, h.size(), T(h.scale()), qkv[q:], ld, qkv[k:], ld, 0, P, h.T)
		for t := range h.T {
			Softmax(P[t*h.T:t*h.T+t+1], P[t*h.T:t*h.T+t+1])
			clear(P[t*h.T+t+1 : (t+1)*h.T])
		}
		Gemm(false, false, h.T, h.size(), h.T, 1, P, h.T, qkv[v:], ld, 0, y[o:], h.C)
	})
}

// CausalAttentionBackward gives the gradient of CausalAttention:
//
//	dV = Pᵀ·dY    dP = dY·Vᵀ    dS = P∘(dP − Σ_j P∘dP)
//	dQ = dS·K/√size    dK = dSᵀ·Q/√size
//
// ds is scratch of T·T.
func CausalAttentionBackward[T Float](dqkv, qkv, probs, dy, ds []T, h Heads) {
	h.each(func(q, o, p int) {
		k, v, ld := q+h.C, q+2*h.C, 3*h.C
		P := probs[p : p+h.T*h.T]
		Gemm(true, false, h.T, h.size(), h.T, 1, P, h.T, dy[o:], h.C, 0, dqkv[v:], ld)
		Gemm(false, true, h.T, h.T, h.size(), 1, dy[o:], h.C, qkv[v:], ld, 0, ds, h.T)
		for t := range h.T {
			softmaxBackward(ds[t*h.T:(t+1)*h.T], P[t*h.T:(t+1)*h.T])
		}
		Gemm(false, false, h.T, h.size(), h.T, T(h.scale()), ds, h.T, qkv[k:], ld, 0, dqkv[q:], ld)
		Gemm(true, false, h.T, h.size(), h.T, T(h.scale()), ds, h.T, qkv[q:], ld, 0, dqkv[k:], ld)
	})
}

// softmaxBackward turns a row's dp into ds = p·(dp − Σp·dp), in place.
func softmaxBackward[T Float](dp, p []T) {
	var dot float64
	for j, v := range p {
		dot += float64(v) * float64(dp[j])
	}
	for j, v := range p {
		dp[j] = v * (dp[j] - T(dot))
	}
}
