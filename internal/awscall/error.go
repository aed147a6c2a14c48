package awscall

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"net/http"
	"strconv"
	"strings"

	"github.com/aws/smithy-go"
)

// Error is an answer that is no success. It is a smithy.APIError.
type Error struct {
	Code    string
	Message string // AWS's own words, which may quote policies and keys
	Status  int
	Header  http.Header
	Body    []byte // of the answer, as it came
	// Guessed says that the answer names no code, so that Code is what its status stands for: an answer without a body, or one of
	// something between here and AWS.
	Guessed bool
}

var _ smithy.APIError = (*Error)(nil)

func (e *Error) Error() string {
	if e.Message == "" {
		return e.Code
	}
	return e.Code + ": " + e.Message
}

// ErrorCode is AWS's code for what is wrong.
func (e *Error) ErrorCode() string { return e.Code }

// ErrorMessage is what AWS says about it.
func (e *Error) ErrorMessage() string { return e.Message }

// ErrorFault says whose fault it is.
func (e *Error) ErrorFault() smithy.ErrorFault {
	if e.Status >= 500 {
		return smithy.FaultServer
	}
	return smithy.FaultClient
}

// HTTPStatusCode is what it is classified by where its code is unknown.
func (e *Error) HTTPStatusCode() int { return e.Status }

// refusal reads AWS's error in any of its shapes: JSON's __type, the header of REST-JSON, the Code of XML.
func refusal(res *http.Response, body []byte) *Error {
	e := &Error{Status: res.StatusCode, Header: res.Header, Body: body, Code: bare(res.Header.Get("X-Amzn-Errortype"))}
	var j struct {
		Type    string `json:"__type"`
		Code    any    `json:"code"`
		Message string `json:"message"` // or Message: encoding/json does not mind
	}
	if json.Unmarshal(body, &j) == nil {
		e.Message = j.Message
		code, _ := j.Code.(string)
		e.Code = first(e.Code, bare(j.Type), bare(code))
	} else {
		code, message := inXML(body)
		e.Code, e.Message = first(e.Code, code), message
	}
	if e.Code == "" {
		e.Guessed = true
		e.Code = strings.ReplaceAll(http.StatusText(e.Status), " ", "")
		switch e.Status {
		case http.StatusForbidden:
			e.Code = "AccessDenied"
		case http.StatusNotFound:
			e.Code = "NotFound"
		}
		e.Message = "HTTP status " + strconv.Itoa(e.Status)
	}
	return e
}

func first(texts ...string) string {
	for _, s := range texts {
		if s != "" {
			return s
		}
	}
	return ""
}

// bare is the code in "com.amazonaws.x#Code:http://…".
func bare(code string) string {
	code, _, _ = strings.Cut(code, ":")
	return code[strings.LastIndexByte(code, '#')+1:]
}

// inXML finds the first Code and the first Message in a document, wherever they stand: services wrap them in several ways.
func inXML(document []byte) (code, message string) {
	at := ""
	for d := xml.NewDecoder(bytes.NewReader(document)); ; {
		token, err := d.Token()
		if err != nil {
			return code, message
		}
		switch t := token.(type) {
		case xml.StartElement:
			at = t.Name.Local
		case xml.CharData:
			switch {
			case at == "Code" && code == "":
				code = string(t)
			case at == "Message" && message == "":
				message = string(t)
			}
			at = ""
		case xml.EndElement:
			at = ""
		}
	}
}
