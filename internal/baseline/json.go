package baseline

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Decode reads a file that travels as JSON: in the Lambda function's zip, next to the program, which carries no parser
// of YAML. The document is encoding/json's of a File; it was held against everything else when it was made.
func Decode(document []byte) (File, error) {
	var f File
	dec := json.NewDecoder(bytes.NewReader(document))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		return File{}, fmt.Errorf("decode baseline: %w", err)
	}
	if problems := f.Problems(); len(problems) > 0 {
		return File{}, fmt.Errorf("decode baseline: %w", problems)
	}
	return f.Canonical(), nil
}
