// Package artifact is the zip that Lambda runs: "bootstrap", executable, and beside it the baseline, where trails are
// pinned, and the configuration, where there is one, so that to change either is to deploy. The same bytes in give the
// same bytes out, so that everybody can check what runs in their account.
package artifact

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"debug/elf"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/trailwarden/trailwarden/internal/baseline"
)

// Baseline is the name of the baseline in the zip, and the value of TRAILWARDEN_BASELINE.
const Baseline = "trailwarden.baseline.json"

const bootstrap = "bootstrap"

// largest is how much of a file in a zip is read, in bytes: Lambda takes 250 MB unpacked.
const largest = 250 << 20

// Artifact is what a zip holds.
type Artifact struct {
	Bootstrap []byte         // the program
	Pinned    *baseline.File // nil: no trail is pinned
	Config    []byte         // as Configure makes it; nil: the environment is all there is
}

// Open reads a zip, and refuses what Lambda could not run as the templates say: linux, arm64.
func Open(packed []byte) (Artifact, error) {
	var a Artifact
	z, err := zip.NewReader(bytes.NewReader(packed), int64(len(packed)))
	if err != nil {
		return a, fmt.Errorf("read zip: %w", err)
	}
	if a.Bootstrap, err = content(z, bootstrap); err != nil {
		return a, fmt.Errorf("read zip: %w", err)
	}
	program, err := elf.NewFile(bytes.NewReader(a.Bootstrap))
	if err != nil {
		return a, fmt.Errorf("read zip: bootstrap is no program for Linux: %w", err)
	}
	if program.Machine != elf.EM_AARCH64 {
		return a, fmt.Errorf("read zip: bootstrap is for %s, and the functions run on arm64", program.Machine)
	}
	document, err := perhaps(z, Baseline)
	if err != nil {
		return a, fmt.Errorf("read zip: %w", err)
	}
	if document != nil {
		pinned, err := baseline.Decode(document)
		if err != nil {
			return a, fmt.Errorf("read the baseline in the zip: %w", err)
		}
		a.Pinned = &pinned
	}
	if a.Config, err = perhaps(z, Config); err != nil {
		return a, fmt.Errorf("read zip: %w", err)
	}
	if _, err := Configuration(Config, a.Config); err != nil {
		return a, fmt.Errorf("read the configuration in the zip: %w", err)
	}
	return a, nil
}

// perhaps is the content of a file that need not be there; nil when it is not.
func perhaps(z *zip.Reader, name string) ([]byte, error) {
	data, err := content(z, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

func content(z *zip.Reader, name string) ([]byte, error) {
	f, err := z.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, largest+1))
	if err == nil && len(data) > largest {
		err = fmt.Errorf("%s is larger than Lambda takes", name)
	}
	return data, err
}

// epoch is the earliest time that a zip can hold.
var epoch = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// Pack makes the zip.
func (a Artifact) Pack() ([]byte, error) {
	files := []packedFile{{bootstrap, 0o755, a.Bootstrap}}
	if a.Pinned != nil {
		document, err := json.Marshal(a.Pinned.Canonical())
		if err != nil {
			return nil, fmt.Errorf("encode baseline: %w", err)
		}
		files = append(files, packedFile{Baseline, 0o644, document})
	}
	if a.Config != nil {
		files = append(files, packedFile{Config, 0o644, a.Config})
	}
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(w, flate.BestCompression)
	})
	for _, f := range files {
		h := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: epoch}
		h.SetMode(f.mode)
		w, err := z.CreateHeader(h)
		if err == nil {
			_, err = w.Write(f.data)
		}
		if err != nil {
			return nil, fmt.Errorf("pack %s: %w", f.name, err)
		}
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("pack: %w", err)
	}
	return out.Bytes(), nil
}

type packedFile struct {
	name string
	mode fs.FileMode
	data []byte
}

// SHA256 is a zip's hash as Lambda tells it: base64.
func SHA256(packed []byte) string {
	sum := sha256.Sum256(packed)
	return base64.StdEncoding.EncodeToString(sum[:])
}
