package simd

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// foreign matches registers that need AVX-512. The assembler accepts them in other kernels too.
var foreign = regexp.MustCompile(`(?i)\b([xy](mm)?(1[6-9]|2\d|3[01])|z(mm)?\d+|k[0-7])\b`)

// TestAVX2KernelsKeepToItsRegisters reads the source, which needs no disassembler.
func TestAVX2KernelsKeepToItsRegisters(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("kernels_amd64.s")
	require.NoError(t, err)
	kernels := 0
	for _, text := range strings.Split(string(source), "\nTEXT ·")[1:] {
		name, _, _ := strings.Cut(text, "(")
		if strings.HasSuffix(name, "AVX2") {
			kernels++
			require.Empty(t, foreign.FindString(text), name)
		}
	}
	require.NotZero(t, kernels)
}

// instructions lists those of the kernels by what the processor must have, after Intel's Software Developer's Manual.
// AVX512F includes what needs AVX512VL with shorter registers.
var instructions = map[string]string{
	"x86-64": `add and cmovb cmovl cmp dec imul inc int3 je jg jge jl jle jmp jne jp lea mov neg pop prefetcht0 prefetcht1
		push ret sfence shl sub test xor`,
	"AVX": `vaddpd vaddps vaddsd vandnpd vandnps vandpd vandps vblendvpd vblendvps vbroadcastsd vbroadcastss
		vcmpnlt_uqpd vcmpnlt_uqps vcvtpd2ps vcvtps2pd vcvtsd2ss vcvtsi2sd vcvtss2sd vdivpd vdivps vextractf128
		vinsertf128 vmaskmovpd vmaskmovps vmaxpd vmaxps vminpd vminps vmovntpd vmovntps vmovsd vmovshdup vmovss vmovupd
		vmovups vmulpd vmulps vorpd vorps vperm2f128 vpermilpd vsqrtpd vsqrtps vsubpd vsubps vucomisd vucomiss
		vunpckhpd vunpckhps vunpcklpd vunpcklps vxorpd vxorps vzeroupper`,
	"AVX2": "vpslld vpsllq", // and vbroadcastss and vbroadcastsd from a register
	"FMA": `vfmadd213pd vfmadd213ps vfmadd231pd vfmadd231ps vfmsub213pd vfmsub213ps vfnmadd231pd
		vfnmadd231ps`,
	"BMI2":     "bzhi",
	"AVX512F":  "kmovw vextractf32x4 vextractf64x4 vmovapd vmovaps vscalefpd vscalefps vshuff64x2",
	"AVX512DQ": "vextractf64x2 vinsertf64x2", // and logic on 64 bytes
}

// TestKernelsKeepToTheirGates disassembles the kernels: none has an instruction that choose_amd64.go does not ask the
// processor for.
func TestKernelsKeepToTheirGates(t *testing.T) {
	t.Parallel()
	objdump, err := exec.LookPath("objdump")
	if err != nil || runtime.GOARCH != "amd64" || len(all32) == 1 {
		t.Skip("needs GNU objdump, and the kernels in assembly")
	}
	gates := map[string]map[string]bool{"AVX2": {}, "AVX512": {}}
	for feature, mnemonics := range instructions {
		for _, m := range strings.Fields(mnemonics) {
			gates["AVX512"][m] = true
			gates["AVX2"][m] = !strings.HasPrefix(feature, "AVX512")
		}
	}
	binary := filepath.Join(t.TempDir(), "simd.test")
	out, err := exec.Command("go", "test", "-c", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	listing, err := exec.Command(objdump, "-d", "-M", "intel", "--no-show-raw-insn", binary).Output()
	require.NoError(t, err)

	symbol := regexp.MustCompile(`^[0-9a-f]+ <.*/simd\.(\w+(AVX2|AVX512))\.abi0>:$`)
	kernels := map[string]int{}
	name, gate := "", ""
	for line := range strings.Lines(string(listing)) {
		if !strings.HasPrefix(line, " ") {
			name, gate = "", ""
			if m := symbol.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
				name, gate = m[1], m[2]
				kernels[gate]++
			}
			continue
		}
		_, code, _ := strings.Cut(strings.TrimSpace(line), ":\t")
		if name == "" || code == "" {
			continue
		}
		assert.True(t, gates[gate][strings.Fields(code)[0]], "%s: %s", name, code)
		if gate == "AVX2" {
			assert.Empty(t, foreign.FindString(code), "%s: %s", name, code)
		}
	}
	want := 0
	for field := range reflect.TypeFor[Kernels[float32]]().Fields() {
		if field.Type.Kind() == reflect.Func {
			want += 2 // for float32 and float64
		}
	}
	require.Equal(t, map[string]int{"AVX2": want, "AVX512": want}, kernels)
}
